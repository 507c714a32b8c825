"""Suppressions as CSV: ``email,reason,created``, line by line in both directions.

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

from appliance.core.suppression import Suppression, SuppressionReason, Target
from appliance.dialects.addresses import read_target
from appliance.flow.facts import moment

COLUMNS = ("email", "reason", "created")
MAX_LINE_BYTES = 4_096  # an address, a word, a moment, and what others add to them
_SECOND_NS = 1_000_000_000
_MAX_SHOWN = 80
_FORMULA = re.compile(r"'*[=+\-@]")
_REASONS: Mapping[str, SuppressionReason] = MappingProxyType(
    {one.name.replace("_", ""): one for one in SuppressionReason}
)


class WrongFileError(Exception):
    """The file is no such list; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that reads: what is suppressed, why, and since when."""

    target: Target
    reason: SuppressionReason
    at_ns: int


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that does not, and why."""

    number: int
    what: str


def read_lines(
    file: IO[bytes],
    now_ns: int,
    default: SuppressionReason = SuppressionReason.MANUAL,
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
            entry = _entry(cells, places, now_ns, default)
            yield BadLine(number, entry) if isinstance(entry, str) else entry


def header() -> str:
    """The first line that we write."""
    return _line(COLUMNS)


def written(one: Suppression) -> str:
    """The line of one entry."""
    email = f"'{one.target}" if _FORMULA.match(one.target) else one.target
    return _line((email, one.reason.name.lower(), moment(one.at_ns)))


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
    cells: Sequence[str],
    places: Mapping[str, int],
    now_ns: int,
    default: SuppressionReason,
) -> Entry | str:
    """What the cells say, or what is wrong with them."""
    email, reason_text, created = (
        cells[places[name]] if places.get(name, len(cells)) < len(cells) else ""
        for name in COLUMNS
    )
    target = read_target(_without_apostrophe(email))
    if target is None:
        return f"{email[:_MAX_SHOWN]!r} is no address"
    reason = read_reason(reason_text) if reason_text else default
    if reason is None:
        return f"{reason_text[:_MAX_SHOWN]!r} is no reason"
    at_ns = _moment_ns(created) if created else now_ns
    if at_ns is None or not 0 <= at_ns <= now_ns:
        return f"{created[:_MAX_SHOWN]!r} is no moment in the past"
    return Entry(target, reason, at_ns)


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


def _without_apostrophe(email: str) -> str:
    return email[1:] if email[:1] == "'" and _FORMULA.match(email) else email


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
