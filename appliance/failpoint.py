"""Floor 0: named points at which the process can be made to die, for the crash suite.

``POSTROOM_FAILPOINT=dot.sent:3`` kills the process the third time it gets there, as
``kill -9`` would: nothing is flushed, closed or said. Without the variable a point
costs one comparison.
"""

import os
import signal

VARIABLE = "POSTROOM_FAILPOINT"

# In the order of a mail's walk.
POINTS = (
    "intake.before_commit",
    "intake.after_commit",
    "claim.after_commit",
    "prepare.done",
    "dot.before_mark",
    "dot.after_mark",
    "dot.sent",
    "answer.read",
    "settle.before_commit",
    "settle.after_commit",
    "feed.publish",
)


def _read(text: str) -> tuple[str, int]:
    """The point that is armed, and how many times it is still passed.

    Raises:
        ValueError: there is no such point, or the count is none.
    """
    name, _, count = text.partition(":")
    if text and name not in POINTS:
        raise ValueError(f"{VARIABLE} names no point: {name}")
    return name, int(count or 1)


_armed, _left = _read(os.environ.get(VARIABLE, ""))


def reach(name: str) -> None:
    """Die here if this is the point that is armed, and its turn has come."""
    if name == _armed:
        _count_down()


def _count_down() -> None:
    global _left  # noqa: PLW0603  there is one process to kill
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
