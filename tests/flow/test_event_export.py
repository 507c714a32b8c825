"""Events as files: what spreadsheets and programs make of them."""

import csv
import io
import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import (
    About,
    Event,
    EventFilter,
    EventType,
    NewEvent,
    Scalar,
)
from appliance.core.ids import EventNumber, SubAccountId
from appliance.core.submission import Dimensions
from appliance.flow import event_export
from appliance.flow.event_export import (
    COLUMNS,
    Form,
    defused,
    export,
    write_csv,
    write_ndjson,
)
from appliance.store.transaction import Tx
from tests.fakes.store import open_temp_store


def event(recipient: str = "bob@rcpt.example", **attached: object) -> Event:
    """A sent mail."""
    about = About(
        SubAccountId(1),
        UUID(int=7),
        UUID(int=8),
        "a@x.example",
        recipient,
        "main",
        "mta",
        Dimensions(**attached),  # type: ignore[arg-type]
    )
    data: dict[str, Scalar] = {"code": 250, "text": '2.0.0 "Ok", queued'}
    return Event(EventNumber(5), EventType.SENT, 1_704_110_400 * 10**9, about, data)


def cells(one: Event) -> dict[str, str]:
    """The line as a reader of CSV has it."""
    (row,) = csv.reader(io.StringIO(write_csv([one]).decode(), newline=""))
    return dict(zip(COLUMNS, row, strict=True))


def test_a_line_has_all_that_is_known() -> None:
    """What has parts is JSON, what is not there is empty."""
    read = cells(event(tags=("a", "b,c"), topic="news", metadata={"k": "v"}))
    assert read["number"] == "5"
    assert read["at"] == "2024-01-01T12:00:00.000Z"
    assert (read["type"], read["name"]) == ("59", "sent")
    assert read["message"] == str(UUID(int=7))
    assert json.loads(read["tags"]) == ["a", "b,c"]
    assert json.loads(read["metadata"]) == {"k": "v"}
    assert json.loads(read["data"])["text"] == '2.0.0 "Ok", queued'
    assert (read["topic"], read["campaign"], read["groups"]) == ("news", "", "")


@pytest.mark.parametrize(
    "cell",
    [
        "=cmd|'/c calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n1",
        " =1",
        "\uff1d1",
    ],
)
def test_no_cell_is_a_formula(cell: str) -> None:
    """ATTACKS 12: other people's words are text, in every column that holds them."""
    assert defused(cell) == f"'{cell}"
    read = cells(event(f"{cell}@rcpt.example", topic=cell, campaign=cell, tags=(cell,)))
    for value in read.values():
        assert not value.lstrip().startswith(("=", "+", "-", "@", "\uff1d")), read


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back_from_csv(text: str) -> None:
    """Quotes, line ends and commas: the cell is the text, or the text disarmed."""
    assert cells(event(text))["to"] in (text, f"'{text}")


def test_a_line_of_json_is_what_the_api_tells() -> None:
    """One object a line, whatever is in it."""
    lines = write_ndjson([event("a\nb@x.example"), event()]).splitlines()
    assert [json.loads(one)["to"] for one in lines] == [
        "a\nb@x.example",
        "bob@rcpt.example",
    ]


async def test_an_export_is_made_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event once, over pages and windows, from one number to another."""
    monkeypatch.setattr(event_export, "PAGE", 3)
    monkeypatch.setattr(event_export, "WINDOW", 4)

    def emit(tx: Tx) -> None:
        for at in range(20):
            kind = EventType.SENT if at % 7 else EventType.OPENED
            tx.emit(NewEvent(kind, at, event().about))

    async with open_temp_store(tmp_path) as store:
        await store.write(emit)

        async def numbers(wanted: EventFilter, after: int, most: int) -> list[int]:
            pieces = export(store, wanted, Form.NDJSON, after=after, upto=18, most=most)
            text = b"".join([piece async for piece in pieces])
            return [json.loads(line)["number"] for line in text.splitlines()]

        everything = EventFilter()
        assert await numbers(everything, 0, 99) == list(range(1, 19))
        assert await numbers(everything, 5, 4) == [6, 7, 8, 9]
        opened = EventFilter(types=frozenset({EventType.OPENED}))
        assert await numbers(opened, 0, 99) == [1, 8, 15]
        assert await numbers(EventFilter(since_ns=3, until_ns=6), 0, 99) == [4, 5, 6]
        first = export(store, everything, Form.CSV, after=18, upto=18, most=9)
        assert [piece async for piece in first] == [
            (",".join(COLUMNS) + "\r\n").encode()
        ]
