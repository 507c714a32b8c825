"""What is said: progress, tables, and promises with what was measured of them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise and what was measured."""

    what: str
    value: float
    unit: str
    limit: float
    at_least: bool

    @property
    def kept(self) -> bool:
        """True if the promise holds."""
        return (self.value >= self.limit) is self.at_least

    def row(self) -> tuple[str, ...]:
        """The row of the table."""
        sign = ">=" if self.at_least else "<"
        word = "ok" if self.kept else "MISS"
        value = f"{self.value:.2f} {self.unit}"
        return (self.what, value, f"{sign} {self.limit} {self.unit}", word)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headings, aligned."""
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    print()


def say(text: str) -> None:
    """Progress, apart from the result."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
