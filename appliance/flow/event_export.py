"""Events as a file of any size: CSV, or one JSON object on a line.

Made a page at a time, beside the event loop, and only as fast as the reader takes it.
Cells that a spreadsheet would take for a formula get an apostrophe in front (ATTACKS
12): addresses, subjects and replies of servers are other people's words.
"""

import csv
import io
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from types import MappingProxyType

import msgspec

from appliance.core.event import Event, EventFilter
from appliance.flow.facts import event_facts, moment
from appliance.flow.feed import WINDOW
from appliance.store.database import Store
from appliance.store.events import list_events, span
from appliance.store.transaction import View

PAGE = 500  # events; some 200 KB
COLUMNS = (
    "number",
    "at",
    "type",
    "name",
    "subAccount",
    "message",
    "delivery",
    "from",
    "to",
    "pool",
    "provider",
    "groups",
    "tags",
    "topic",
    "campaign",
    "metadata",
    "data",
)
# What begins a formula, blanks or not, in the wide letters of some spreadsheets too.
_FORMULA = re.compile("\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_encode = msgspec.json.Encoder().encode


class Form(Enum):
    """How events are written down."""

    CSV = "csv"
    NDJSON = "ndjson"


def defused(cell: str) -> str:
    """The text as a cell that no spreadsheet works out."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


async def export(
    store: Store, wanted: EventFilter, form: Form, *, after: int, upto: int, most: int
) -> AsyncGenerator[bytes, None]:
    """The wanted events behind one number up to another, at most ``most`` of them.

    Raises:
        StoreUnavailable: the log could not be read; what came before is right.
    """
    low, high = await store.read(span, wanted)
    cursor, upto = max(after, low), min(upto, high)
    if form is Form.CSV:
        yield _lines([COLUMNS])
    while cursor < upto and most > 0:
        text, count, cursor = await store.read(
            partial(_write_page, wanted, _WRITERS[form]), cursor, upto, min(PAGE, most)
        )
        most -= count
        if text:
            yield text


def _write_page(
    wanted: EventFilter, write: "_Write", view: View, *numbers: int
) -> tuple[bytes, int, int]:
    """A page, how many events it has, and the number to go on behind."""
    after, upto, limit = numbers
    stop = min(upto, after + WINDOW)
    events = list_events(view, wanted, after=after, upto=stop, limit=limit)
    cursor = events[-1].number if len(events) == limit else stop
    return write(events), len(events), cursor


def write_csv(events: Sequence[Event]) -> bytes:
    """Events as lines of CSV (RFC 4180)."""
    return _lines([_cells(one) for one in events])


def write_ndjson(events: Sequence[Event]) -> bytes:
    """Events as lines of JSON."""
    return b"".join(_encode(event_facts(one)) + b"\n" for one in events)


_Write = Callable[[Sequence[Event]], bytes]
_WRITERS: Mapping[Form, _Write] = MappingProxyType(
    {Form.CSV: write_csv, Form.NDJSON: write_ndjson}
)


def _lines(rows: Sequence[Sequence[str | int]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _cells(event: Event) -> Sequence[str | int]:
    about, attached = event.about, event.about.dimensions
    return (
        event.number,
        moment(event.at_ns),
        int(event.type),
        event.type.label,
        about.sub_account,
        str(about.message) if about.message.int else "",
        str(about.delivery) if about.delivery.int else "",
        defused(about.sender),
        defused(about.recipient),
        defused(about.pool),
        defused(about.provider),
        _json(attached.groups),
        _json(attached.tags),
        defused(attached.topic),
        defused(attached.campaign),
        _json(dict(attached.metadata)),
        _json(dict(event.data)),
    )


def _json(value: object) -> str:
    """As JSON, which begins no formula; nothing for what is empty."""
    return _encode(value).decode() if value else ""
