"""How hard the property tests try, and what spares the run time.

The default run takes under two minutes, so it tries few examples of each
property; CI tries many: ``HYPOTHESIS_PROFILE=thorough``.
"""

import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=15, deadline=None)
settings.register_profile("thorough", max_examples=150, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Some twenty real processes are started, and where this is set (images of Docker's do
# it) each would compile all of the program again: a third of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A file system in memory, and the room it must have; a run takes some 40 MB.
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 1 << 28


def pytest_configure(config: pytest.Config) -> None:
    """The default run has its temporary folders in memory, if there is room.

    It makes two thousand databases, and each commit would wait for the disk: a fifth
    of the run. What SQLite asks of the system stays the same, and nobody cuts the
    power. Tests that kill processes or run real servers keep to the disk.
    """
    chosen = config.getoption("markexpr")
    default = "not crash" in chosen and "not integration" in chosen
    if default and _is_roomy(_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def _is_roomy(folder: Path) -> bool:
    """Whether there is room for the folders of tests, and for programs to be run."""
    if not os.access(folder, os.W_OK):
        return False
    about = os.statvfs(folder)
    executes = not about.f_flag & os.ST_NOEXEC
    return executes and about.f_bavail * about.f_frsize >= _ROOM_BYTES


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that collecting makes is garbage: never look at it, nor later again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
