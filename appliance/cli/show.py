"""How results look: aligned tables for people, one JSON object a line for scripts.

Whatever is shown may have come from outside, so control characters are escaped:
a server's reply does not get to steer the operator's terminal.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from uuid import UUID

import click


def plain(value: object) -> str:
    """``value`` as text that a terminal shows and does not obey."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def plain_lines(text: str) -> str:
    """As ``plain``, for text that has line ends of its own."""
    return "\n".join(map(plain, text.split("\n")))


def say(text: str) -> None:
    """Print lines for people."""
    click.echo(plain_lines(text))


def note(text: str) -> None:
    """Print lines for people that are no part of the result."""
    click.echo(plain_lines(text), err=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below their headings, each column as wide as it needs to be."""
    lines = [list(headings), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(cells).rstrip())


def pairs(facts: Mapping[str, object]) -> None:
    """Print names and values, the values one below the other."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        say(f"{name.ljust(width)}  {plain(value)}".rstrip())


def line(facts: Mapping[str, object]) -> None:
    """Print one JSON object on one line, in ASCII."""
    click.echo(json.dumps(facts, default=_simple))


def lines(items: Iterable[Mapping[str, object]]) -> None:
    """Print one JSON object a line."""
    for item in items:
        line(item)


def give_up_stdout() -> None:
    """Nothing more is written: Python would try again, and complain, at its end."""
    with suppress(OSError, AttributeError):  # it is no file, or is closed
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def when(ns: int | None) -> str | None:
    """A moment, None for never."""
    from appliance.flow.facts import moment

    return moment(ns) if ns else None


def yes(value: object) -> str:
    """What people say for true and false."""
    return "yes" if value else "no"


def _simple(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
