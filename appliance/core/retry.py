"""When a delivery that failed is tried again."""

import re
from dataclasses import dataclass

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}
_STEP = re.compile(r"(\d{1,7})([smhd]?)")
MAX_STEPS = 100


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """The pauses after the first, second, ... failed try, in seconds."""

    pauses: tuple[int, ...]

    @property
    def tries(self) -> int:
        """How many tries there are in all."""
        return len(self.pauses) + 1

    def pause_after(self, attempts: int) -> int | None:
        """Seconds to wait after ``attempts`` failed tries; None means give up."""
        if attempts > len(self.pauses):
            return None
        return self.pauses[attempts - 1]

    def __str__(self) -> str:
        return ",".join(map(_spell, self.pauses))


def parse_retry_plan(text: str) -> RetryPlan:
    """The plan that ``text`` spells, such as ``1h,2h,3h`` or ``30s, 5m``.

    A number without a unit counts seconds; an empty text means no second try.

    Raises:
        ValueError: a step that is no duration, or more than 100 steps.
    """
    steps = [step.strip() for step in text.split(",")] if text.strip() else []
    if len(steps) > MAX_STEPS:
        raise ValueError(f"at most {MAX_STEPS} steps, not {len(steps)}")
    return RetryPlan(tuple(map(_seconds, steps)))


def _seconds(step: str) -> int:
    match = _STEP.fullmatch(step)
    if match is None:
        raise ValueError(f"{step!r} is no duration; write 90s, 5m, 2h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def _spell(seconds: int) -> str:
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
