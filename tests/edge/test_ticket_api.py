"""Tickets over HTTP, and what they open, on a running server."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio
from trio_websocket import wrap_client_stream

from appliance.core.credential import Scope, SubAccount
from appliance.edge import tickets
from appliance.edge.live import PATH
from appliance.store.transaction import Tx
from tests.fakes.house import House, add_key, add_tenant, mail, open_house

TICKET = f"{PATH}/ticket"


def _prepare(tx: Tx, ours: SubAccount) -> None:
    add_key(tx, ours, "send-only", scope=Scope.SEND_ONLY)
    add_key(tx, add_tenant(tx, "other"), "stranger")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server whose relay rests."""
    async with open_house(tmp_path, "relay.enabled=false", prepare=_prepare) as one:
        yield one


async def buy(house: House, key: str) -> httpx.Response:
    """The answer to who wants a ticket."""
    return await house.http.post(TICKET, headers={"Authorization": f"Bearer {key}"})


async def told(house: House, query: str) -> object:
    """The first event that is told."""
    url = house.http.base_url
    stream = await trio.open_tcp_stream(url.host, url.port or 80)
    with trio.fail_after(5):
        async with stream, trio.open_nursery() as nursery:
            socket = await wrap_client_stream(nursery, stream, "a", PATH + query)
            text = await socket.get_message()
            nursery.cancel_scope.cancel()
    return json.loads(text)


async def test_a_key_buys_a_ticket_that_opens_the_websocket(house: House) -> None:
    """In any format; nothing of it is kept by a cache."""
    await house.send(mail())
    for form in ("postroom", "anypost"):
        answer = await buy(house, house.made.keys["accountKey"])
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        query = f"?after=0&format={form}&ticket={answer.json()['ticket']}"
        frame = await told(house, query)
        assert isinstance(frame, dict)
        assert frame["number"] == 1
        if form == "anypost":
            assert frame["payload"]["type"] == "email.sent"


@pytest.mark.parametrize("key", ["x", "wrong", "send-only"])
async def test_who_may_not_read_gets_no_ticket(house: House, key: str) -> None:
    """As with the event API itself."""
    assert (await buy(house, key)).status_code == 401


async def test_one_who_hoards_is_told_to_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATTACKS 12: others are not."""
    monkeypatch.setattr(tickets, "MOST", 2)
    key = house.made.keys["accountKey"]
    assert [(await buy(house, key)).status_code for _ in range(2)] == [201, 201]
    refused = await buy(house, key)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"
    assert (await buy(house, "stranger")).status_code == 201
