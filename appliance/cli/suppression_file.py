"""Suppressions as CSV, line by line in both directions.

The columns are ``email,reason,created,topic,domain,expires``; lists from before the
last three are read as well.

Each line stands for itself: a bad one, be it a quote that never ends, is told by its
number and takes nothing from the next. Cells that a spreadsheet would take for a
formula leave with an apostrophe in front (ATTACKS 12), and come back without it.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import IO

from appliance.cli.suppression_words import Defaults, read_scope
from appliance.core.suppression import (
    EVERYTHING,
    Scope,
    Suppression,
    SuppressionReason,
    Target,
)
from appliance.dialects.addresses import read_target
from appliance.flow.facts import moment

COLUMNS = ("email", "reason", "created", "topic", "domain", "expires")
MAX_LINE_BYTES = 4_096  # an address, a word, a moment, and what others add to them
_SECOND_NS = 1_000_000_000
_NO_DEFAULTS = Defaults()
_LATEST_NS = 2**63  # of the store's integers
_MAX_SHOWN = 80
_FORMULA = re.compile(r"'*[=+\-@]")
_REASONS: Mapping[str, SuppressionReason] = MappingProxyType(
    {one.name.replace("_", ""): one for one in SuppressionReason}
)


class WrongFileError(Exception):
    """The file is no such list; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that reads: what is suppressed, why, since when, for what mail."""

    target: Target
    reason: SuppressionReason
    at_ns: int
    scope: Scope = EVERYTHING
    expires_ns: int | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that does not, and why."""

    number: int
    what: str


def read_lines(
    file: IO[bytes],
    now_ns: int,
    given: Defaults = _NO_DEFAULTS,
) -> Iterator[Entry | BadLine]:
    """What each line of ``file`` says; empty ones say nothing.

    The first line may name the columns, in any order and with others between them;
    else the first is the address, and the others follow as we write them.

    Raises:
        WrongFileError: the first line is neither.
    """
    places: Mapping[str, int] | None = None
    for number, cells in _rows(file):
        if isinstance(cells, str):
            yield BadLine(number, cells)
        elif places is None and (places := _header(cells)):
            continue
        else:
            places = places or _no_header(cells)
            entry = _entry(cells, places, now_ns, given)
            yield BadLine(number, entry) if isinstance(entry, str) else entry


def header() -> str:
    """The first line that we write."""
    return _line(COLUMNS)


def written(one: Suppression) -> str:
    """The line of one entry."""
    until = "" if one.expires_ns is None else moment(one.expires_ns)
    return _line(
        (
            _with_apostrophe(one.target),
            one.reason.name.lower(),
            moment(one.at_ns),
            _with_apostrophe(one.scope.topic),
            one.scope.domain,
            until,
        )
    )


def read_reason(text: str) -> SuppressionReason | None:
    """The reason that a word means, in whatever spelling: ``hardBounce``, a blank."""
    return _REASONS.get(re.sub(r"[ _-]", "", text).upper())


def _rows(file: IO[bytes]) -> Iterator[tuple[int, list[str] | str]]:
    """The cells of each line that has any, or what is wrong with it, by its number."""
    number = 0
    while raw := file.readline(MAX_LINE_BYTES):
        number += 1
        if not _ends(raw) and (rest := file.readline(MAX_LINE_BYTES)):
            while rest and not _ends(rest):
                rest = file.readline(MAX_LINE_BYTES)
            yield number, f"it is longer than {MAX_LINE_BYTES} bytes"
            continue
        text = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        cells = _cells(text)
        if isinstance(cells, str) or any(cells):
            yield number, cells


def _ends(raw: bytes) -> bool:
    return raw.endswith(b"\n")


def _cells(raw: bytes) -> list[str] | str:
    try:
        text = raw.decode().strip("\r\n")
        rows = list(csv.reader([text], strict=True))
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except csv.Error as error:
        return str(error)
    return [cell.strip() for row in rows for cell in row]


def _header(cells: Sequence[str]) -> Mapping[str, int]:
    """Where the columns are, nowhere if this line does not name them."""
    names = [cell.lower() for cell in cells]
    if COLUMNS[0] not in names:
        return {}
    return {name: names.index(name) for name in COLUMNS if name in names}


def _no_header(cells: Sequence[str]) -> Mapping[str, int]:
    if read_target(_without_apostrophe(cells[0])) is None:
        wrong = f"the first line neither names a column {COLUMNS[0]!r}"
        raise WrongFileError(f"{wrong} nor begins with an address")
    return {name: at for at, name in enumerate(COLUMNS)}


def _entry(
    cells: Sequence[str], places: Mapping[str, int], now_ns: int, given: Defaults
) -> Entry | str:
    """What the cells say, or what is wrong with them."""
    email, reason_text, created, topic, domain, expires = (
        cells[places[name]] if places.get(name, len(cells)) < len(cells) else ""
        for name in COLUMNS
    )
    target = read_target(_without_apostrophe(email))
    if target is None:
        return f"{email[:_MAX_SHOWN]!r} is no address"
    reason = read_reason(reason_text) if reason_text else given.reason
    if reason is None:
        return f"{reason_text[:_MAX_SHOWN]!r} is no reason"
    at_ns = _moment_ns(created) if created else now_ns
    if at_ns is None or not 0 <= at_ns <= now_ns:
        return f"{created[:_MAX_SHOWN]!r} is no moment in the past"
    scope: Scope | str = given.scope
    if topic or domain:
        scope = read_scope(_without_apostrophe(topic), domain)
    if isinstance(scope, str):
        return scope
    expires_ns = _moment_ns(expires) if expires else None
    if expires and not (expires_ns and now_ns < expires_ns < _LATEST_NS):
        return f"{expires[:_MAX_SHOWN]!r} is no moment to come"
    return Entry(target, reason, at_ns, scope, expires_ns)


def _moment_ns(text: str) -> int | None:
    """A moment of ISO 8601, in UTC unless it says else; or nanoseconds since 1970."""
    if text.isascii() and text.isdecimal() and len(text) in range(18, 20):
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = aware - datetime.fromtimestamp(0, tz=UTC)
    seconds = since.days * 86_400 + since.seconds
    return seconds * _SECOND_NS + since.microseconds * 1_000


def _with_apostrophe(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _without_apostrophe(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
