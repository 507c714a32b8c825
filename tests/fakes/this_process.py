"""What the program sets up for a process of its own, put back behind a test."""

import logging
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_it_was() -> Iterator[None]:
    """The log's handlers, the limit of files, the threads' turns, the environment."""
    loggers = [logging.getLogger(name) for name in (None, "postroom")]
    before = [(one, list(one.handlers), one.level) for one in loggers]
    files, interval = (
        resource.getrlimit(resource.RLIMIT_NOFILE),
        sys.getswitchinterval(),
    )
    environment = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        sys.setswitchinterval(interval)
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
        for one, handlers, level in before:
            one.handlers[:] = handlers
            one.setLevel(level)
