"""Floor 0: the structured log: named events with keys, one line each.

``log.info("delivery.sent", delivery=7, provider="post")`` says what changed and
about what; ``bind`` adds keys to all lines of a task. Rendering and redaction
are decided here and nowhere else: text from outside is escaped, so that nobody
can write a line of ours, and what looks like a secret by its key is not shown.
The lines of libraries go through the same renderer.
"""

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TextIO

MAX_VALUE_CHARS = 1000
HIDDEN = "(hidden)"
# Compared with the words of a key: ``api_key`` is hidden, ``keyboard`` is not.
SECRET_WORDS = frozenset(
    {
        "authorization",
        "cookie",
        "key",
        "passphrase",
        "passwd",
        "password",
        "pem",
        "secret",
        "token",
    }
)
_HARMLESS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;/@_+-<>()*%"
)
_KEYS = "postroom_keys"
_bound: ContextVar[Mapping[str, object]] = ContextVar(
    "bound", default=MappingProxyType({})
)


class Logger:
    """Logs named events; costs next to nothing when the level is off."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, /, **keys: object) -> None:
        """Log what only someone looking for a fault wants to see."""
        self._log(logging.DEBUG, event, keys)

    def info(self, event: str, /, **keys: object) -> None:
        """Log a change of state."""
        self._log(logging.INFO, event, keys)

    def warning(self, event: str, /, **keys: object) -> None:
        """Log what the operator should look at."""
        self._log(logging.WARNING, event, keys)

    def error(self, event: str, /, **keys: object) -> None:
        """Log what went wrong here."""
        self._log(logging.ERROR, event, keys)

    def exception(self, event: str, /, **keys: object) -> None:
        """Log a bug with the traceback of the exception being handled."""
        self._log(logging.ERROR, event, keys, traceback=True)

    def _log(
        self,
        level: int,
        event: str,
        keys: dict[str, object],
        *,
        traceback: bool = False,
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {_KEYS: {**_bound.get(), **keys}}
            self._logger.log(level, event, exc_info=traceback, extra=extra)


def get(name: str) -> Logger:
    """The logger called ``name``, such as ``relay`` (or ``postroom.relay``)."""
    return Logger(logging.getLogger(f"postroom.{name.removeprefix('postroom.')}"))


@contextlib.contextmanager
def bind(**keys: object) -> Iterator[None]:
    """Within this context every line of this task and its children has ``keys``."""
    before = _bound.set({**_bound.get(), **keys})
    try:
        yield
    finally:
        _bound.reset(before)


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send all lines of ``level`` and above to ``stream``, by default standard error.

    ``form`` is "text" or "json". Libraries are heard from "warning" on.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger("postroom").setLevel(threshold)


class _Renderer(logging.Formatter):
    def facts(self, record: logging.LogRecord) -> dict[str, object]:
        """The line as keys and values; what the line itself says comes first."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix("postroom."),
            "event": _clip(record.getMessage()),
        }
        keys: Mapping[str, object] = getattr(record, _KEYS, {})
        shown = {name: _shown(name, value) for name, value in keys.items()}
        return line | {name: it for name, it in shown.items() if name not in line}


class _Json(_Renderer):
    def format(self, record: logging.LogRecord) -> str:
        """One JSON object, all of it ASCII."""
        facts = self.facts(record)
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return _dumped(facts)


class _Text(_Renderer):
    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and event, then ``key=value``; tracebacks indented."""
        facts = self.facts(record)
        head = [_quoted(facts.pop(name)) for name in ("at", "level", "logger", "event")]
        pairs = [f"{name}={_quoted(value)}" for name, value in facts.items()]
        lines = [" ".join(head + pairs)]
        if record.exc_info:
            trace = self.formatException(record.exc_info).split("\n")
            lines += [f"  | {_escaped(line)}" for line in trace]
        return "\n".join(lines)


def _shown(name: str, value: object) -> object:
    if not SECRET_WORDS.isdisjoint(name.lower().split("_")):
        return HIDDEN
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _clip(str(value))


def _clip(text: str) -> str:
    if len(text) <= MAX_VALUE_CHARS:
        return text
    return f"{text[:MAX_VALUE_CHARS]}... ({len(text)} characters)"


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else _dumped(value)
    return text if text and _HARMLESS.issuperset(text) else _dumped(text)


def _escaped(text: str) -> str:
    return _dumped(text)[1:-1].replace('\\"', '"')


def _dumped(value: object) -> str:
    """JSON in printable ASCII; DEL is the one control character JSON lets through."""
    return json.dumps(value).replace("\x7f", "\\u007f")
