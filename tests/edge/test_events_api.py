"""The log over HTTP beyond plain pages: filters, both directions, files, timelines."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import trio

from appliance.core.credential import SubAccount
from appliance.edge import events_api
from appliance.flow import event_pages
from appliance.store.transaction import Tx
from tests.fakes.house import (
    House,
    add_key,
    add_sender_domain,
    add_tenant,
    mail,
    open_house,
)

EVENTS = "/postroom/v1/events"
OTHER_DOMAIN = "other.example"


def _prepare(tx: Tx, ours: SubAccount) -> None:
    other = add_tenant(tx, "other")
    add_key(tx, other, "stranger")
    add_sender_domain(tx, other.id, name=OTHER_DOMAIN)
    del ours


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server with two tenants."""
    async with open_house(tmp_path, prepare=_prepare) as one:
        yield one


async def ask(house: House, path: str, key: str = "") -> httpx.Response:
    """The answer to one question, with the account's key unless told else."""
    key = key or house.made.keys["accountKey"]
    return await house.http.get(path, headers={"Authorization": f"Bearer {key}"})


async def told(house: House, query: str, key: str = "") -> list[int]:
    """The numbers of a page."""
    answer = await ask(house, EVENTS + query, key)
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.json()["events"]]


async def test_every_filter_finds_its_mail(house: House) -> None:
    """By words of the mail, of its way, of its sender, and by time."""
    await house.sent(to=[{"email": "bob@rcpt.example"}], groups=["vip"])
    await house.sent(to=[{"email": "ann@rcpt.example"}])
    for query, numbers in (
        ("?recipient=BOB@rcpt.example", [1, 2]),
        ("?recipient=bob", []),
        ("?group=vip", [1, 2]),
        ("?group=vi", []),
        ("?tag=x", []),
        ("?topic=x", []),
        ("?campaign=x", []),
        ("?pool=sandbox&recipient=ann@rcpt.example", [3, 4]),
        ("?provider=capture", [2, 4]),
        (f"?subAccount={house.sub_account}", [1, 2, 3, 4]),
        ("?subAccount=99", []),
        ("?since=2020-01-01&until=2099-01-01T00:00:00Z", [1, 2, 3, 4]),
        ("?until=2020-01-01", []),
        ("?since=2099-01-01", []),
    ):
        assert await told(house, query) == numbers, query
        backwards = await told(house, f"{query}&before=end")
        assert backwards == numbers[::-1], query


async def test_the_log_is_read_backwards_page_by_page(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, every event once, and null when there is nothing more."""
    monkeypatch.setattr(event_pages, "WINDOW", 2)
    for _ in range(3):
        await house.sent()
    for limit in (1, 2, 4, 9):
        seen: list[int] = []
        cursor: object = "end"
        while cursor is not None:
            page = await ask(house, f"{EVENTS}?before={cursor}&limit={limit}")
            seen += [one["number"] for one in page.json()["events"]]
            cursor = page.json()["next"]
        assert seen == [6, 5, 4, 3, 2, 1]
    assert await told(house, "?before=3") == [2, 1]
    assert await told(house, "?before=1") == []


@pytest.mark.parametrize(
    "query",
    [
        "?before=x",
        "?before=1&after=0",
        "?before=1&format=csv",
        "?before=1&before=2",
        "?format=xml",
        "?format=csv&format=csv",
        "?recipient=",
        "?tag=" + "x" * 2_000,
        "?since=yesterday",
        "?subAccount=x",
        "?format=csv&limit=0",
    ],
)
async def test_a_wrong_question_is_400(house: House, query: str) -> None:
    """A typo is never taken for no filter."""
    answer = await ask(house, EVENTS + query)
    assert answer.status_code == 400, query
    assert answer.json()["message"]


async def test_a_file_holds_all_of_it(house: House) -> None:
    """As CSV and as lines of JSON; the header says up to which number."""
    await house.sent(subject="=1+1")
    await house.sent()
    answer = await ask(house, f"{EVENTS}?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["postroom-last"] == "4"
    assert answer.headers["content-disposition"] == 'attachment; filename="events.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1]["to"] == "bob@rcpt.example"
    answer = await ask(house, f"{EVENTS}?format=ndjson&after=1&limit=2&type=sent")
    assert [json.loads(one)["number"] for one in answer.text.splitlines()] == [2, 4]


async def test_files_are_few_at_a_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is told to come back; a place is free again when one has ended."""
    monkeypatch.setattr(events_api, "MAX_EXPORTS", 0)
    answer = await ask(house, f"{EVENTS}?format=csv")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    monkeypatch.setattr(events_api, "MAX_EXPORTS", 1)
    for _ in range(3):
        assert (await ask(house, f"{EVENTS}?format=csv")).status_code == 200
    head = await house.http.head(
        f"{EVENTS}?format=csv",
        headers={"Authorization": f"Bearer {house.made.keys['accountKey']}"},
    )
    assert head.status_code == 200
    with trio.fail_after(5):
        assert (await ask(house, f"{EVENTS}?format=csv")).status_code == 200


async def test_nobody_reads_what_is_another_tenants(house: House) -> None:
    """ATTACKS 12: not by a filter, not in a file, not in a timeline."""
    message = await house.sent()
    body = mail(sender={"email": f"a@{OTHER_DOMAIN}"})
    (theirs,) = (await house.send(body, key="stranger")).json()
    for query in ("?format=csv", "?format=ndjson"):
        text = (await ask(house, EVENTS + query, "stranger")).text
        assert message not in text
        assert theirs["messageId"] in text
    assert await told(house, f"?message={message}", "stranger") == []
    assert await told(house, f"?before=end&message={message}", "stranger") == []
    for query in ("", "&format=csv"):
        wrong = f"{EVENTS}?subAccount={house.sub_account}{query}"
        assert (await ask(house, wrong, "stranger")).status_code == 403
    path = f"/postroom/v1/messages/{message}/timeline"
    assert (await ask(house, path, "stranger")).status_code == 404


async def test_a_timeline_is_all_that_happened(house: House) -> None:
    """Each copy with where it stands, and the events in order, by pages."""
    message = await house.sent()
    path = f"/postroom/v1/messages/{message}/timeline"
    story = (await ask(house, path, house.key)).json()
    assert story["message"] == message
    (copy,) = story["copies"]
    assert (copy["to"], copy["state"], copy["lastCode"]) == (
        "bob@rcpt.example",
        "sent",
        250,
    )
    assert [one["name"] for one in story["events"]] == ["processed", "sent"]
    assert story["next"] is None
    page = (await ask(house, f"{path}?limit=1")).json()
    assert ([one["number"] for one in page["events"]], page["next"]) == ([1], 1)
    page = (await ask(house, f"{path}?after=1&type=sent")).json()
    assert [one["number"] for one in page["events"]] == [2]
    for wrong in (str(UUID(int=7)), "nosuch"):
        unknown = f"/postroom/v1/messages/{wrong}/timeline"
        assert (await ask(house, unknown)).status_code == 404
    assert (await ask(house, f"{path}?before=1")).status_code == 400
    assert (await house.http.get(path)).status_code == 401
