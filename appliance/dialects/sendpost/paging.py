"""The part of a list that a query asks for (spec 1.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qs

from appliance.dialects.sendpost.errors import Fault, Problem

T = TypeVar("T")

LIMIT = 20
MAX_LIMIT = 1_000
MAX_OFFSET = 2**63 - 1
MAX_PARAMETERS = 20


@dataclass(frozen=True, slots=True)
class Page:
    """How many are wanted behind how many, and what their names hold."""

    limit: int = LIMIT
    offset: int = 0
    search: str = ""

    def of(self, items: Sequence[T], name: Callable[[T], str]) -> Sequence[T]:
        """The wanted part of ``items``."""
        needle = self.search.casefold()
        found = [one for one in items if needle in name(one).casefold()]
        return found[self.offset : self.offset + self.limit]


def read_query(query: bytes) -> dict[str, list[str]] | Problem:
    """The parameters of a query, each with its values."""
    try:
        return parse_qs(query.decode("latin-1"), True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return Problem(Fault.BAD_REQUEST, "There are too many parameters")


def read_page(
    query: bytes, most: int = MAX_LIMIT, usual: int = LIMIT
) -> Page | Problem:
    """The part that the query names; other parameters are ignored."""
    asked = read_query(query)
    if isinstance(asked, Problem):
        return asked
    limit = _number(asked, "limit", usual, 1, most)
    offset = _number(asked, "offset", 0, 0, MAX_OFFSET)
    if isinstance(limit, Problem):
        return limit
    if isinstance(offset, Problem):
        return offset
    return Page(limit, offset, asked.get("search", [""])[0])


def _number(
    asked: dict[str, list[str]], name: str, default: int, least: int, most: int
) -> int | Problem:
    text = asked.get(name, [""])[0] or str(default)
    fits = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not fits or not least <= int(text) <= most:
        message = f"{name} is a whole number from {least} to {most}"
        return Problem(Fault.BAD_REQUEST, message, name)
    return int(text)
