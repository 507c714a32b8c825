import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import trio

from appliance.core.credential import Scope, SubAccount
from appliance.core.event import EventType
from appliance.core.pool import by_shares
from appliance.core.queue import EVERYTHING, Act, Order
from appliance.edge import queue_api
from appliance.flow.queue import QueueDesk
from appliance.store.pools import add_pool
from appliance.store.providers import list_providers
from appliance.store.transaction import Tx
from tests.fakes.house import (
    House,
    add_key,
    add_sender_domain,
    add_tenant,
    furnish,
    mail,
    open_house,
    running,
)

QUEUE = "/postroom/v1/queue"
OTHER_DOMAIN = "other.example"
SOON = 5.0


def _prepare(tx: Tx, ours: SubAccount) -> None:
    add_key(tx, ours, "send-only", scope=Scope.SEND_ONLY)
    other = add_tenant(tx, "other")
    add_key(tx, other, "stranger")
    add_sender_domain(tx, other.id, name=OTHER_DOMAIN)
    (capture,) = list_providers(tx)
    add_pool(tx, by_shares("spare", [(capture.id, 100)]))


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[House]:
    """A running server whose relay rests."""
    async with open_house(tmp_path, "relay.enabled=false", prepare=_prepare) as one:
        yield one


def bearer(house: House, key: str = "") -> dict[str, str]:
    """How a key is shown; the account's unless another is named."""
    return {"Authorization": f"Bearer {key or house.made.keys['accountKey']}"}


async def ask(house: House, query: str = "", key: str = "") -> httpx.Response:
    """The answer to a question."""
    return await house.http.get(QUEUE + query, headers=bearer(house, key))


async def order(
    house: House, act: str, *, key: str = "", **body: object
) -> httpx.Response:
    """The answer to an order."""
    return await house.http.post(
        f"{QUEUE}/{act}", content=json.dumps(body), headers=bearer(house, key)
    )


async def waits(house: House, *to: str) -> list[str]:
    """The ids of mails that were taken and wait."""
    ids = []
    for one in to or ("bob@rcpt.example",):
        answer = await house.send(mail(to=[{"email": one}]))
        ids.append(answer.json()[0]["messageId"])
    return ids


async def states(house: House, query: str = "") -> list[str]:
    """The states of what is listed."""
    answer = await ask(house, query)
    assert answer.status_code == 200, answer.text
    return [one["state"] for one in answer.json()["deliveries"]]


async def test_the_queue_is_listed(quiet: House) -> None:
    """Everything that is known of a delivery that waits."""
    (message,) = await waits(quiet)
    answer = await ask(quiet)
    assert answer.headers.get_list("content-type") == ["application/json"]
    told = answer.json()
    assert told["next"] is None
    (one,) = told["deliveries"]
    assert (one["number"], one["delivery"], one["message"]) == (1, message, message)
    assert (one["state"], one["pool"], one["provider"]) == ("queued", "sandbox", "")
    assert (one["to"], one["attempts"]) == ("bob@rcpt.example", 0)
    assert one["due"] == one["since"]


async def test_pages_follow_one_another(quiet: House) -> None:
    """``next`` is the number to go on behind, null at the end."""
    await waits(quiet, "a@a.example", "b@b.example", "c@c.example")
    seen: list[int] = []
    cursor: int | None = 0
    while cursor is not None:
        told = (await ask(quiet, f"?limit=2&after={cursor}")).json()
        seen += [one["number"] for one in told["deliveries"]]
        cursor = told["next"]
    assert seen == [1, 2, 3]


async def test_filters_narrow_and_counts_add_up(quiet: House) -> None:
    """As the commands', by the same words."""
    first, _ = await waits(quiet, "a@a.example", "b@b.example")
    assert len(await states(quiet, "?domain=a.example&state=queued")) == 1
    assert len(await states(quiet, f"?message={first}")) == 1
    assert await states(quiet, "?olderThan=1h") == []
    answer = await ask(quiet, "/count?by=domain&pool=sandbox")
    assert answer.json() == {
        "by": "domain",
        "total": 2,
        "counts": [
            {"domain": "a.example", "deliveries": 1},
            {"domain": "b.example", "deliveries": 1},
        ],
    }
    answer = await ask(quiet, "/count")
    assert answer.json()["counts"] == [{"state": "queued", "deliveries": 2}]


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        "?limit=1001",
        "?limit=٣",
        "?limit=1&limit=2",
        "?after=-1",
        "?after=" + "9" * 19,
        "?after=" + "9" * 5_000,
        "?state=sent",
        "?state=",
        "?pool=nosuch",
        "?provider=nosuch",
        "?message=nosuch",
        "?nosuch=1",
        "?by=state",
        "/count?by=nosuch",
        "/count?limit=1",
    ],
    ids=lambda query: query[:24],
)
async def test_a_wrong_question_is_400(quiet: House, query: str) -> None:
    """Said in words; a typo is never taken for no filter."""
    answer = await ask(quiet, query)
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_each_act_does_what_it_says(quiet: House) -> None:
    """Held, released, moved and dropped, and the event that tells of the end."""
    (message,) = await waits(quiet)
    assert (await order(quiet, "hold", all=True)).json() == {
        "act": "hold",
        "changed": 1,
        "inFlight": 0,
        "unchanged": 0,
        "next": None,
    }
    assert await states(quiet) == ["held"]
    await order(quiet, "release", state="held")
    assert await states(quiet) == ["queued"]
    assert (await order(quiet, "retry", all=True)).json()["unchanged"] == 1
    await order(quiet, "move", delivery=message, toPool="spare")
    assert len(await states(quiet, "?pool=spare")) == 1
    await order(quiet, "drop", message=message)
    assert await states(quiet) == []
    *_, last = await quiet.events(message)
    assert last.type is EventType.DROPPED
    assert last.data["reason"] == "Dropped by the operator"
    assert last.about.pool == "spare"


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("drop", {}),
        ("drop", {"pool": None}),
        ("drop", {"pool": ""}),
        ("drop", {"all": True, "pool": "sandbox"}),
        ("drop", {"all": "yes"}),
        ("drop", {"all": False}),
        ("drop", {"pool": "nosuch"}),
        ("drop", {"pool": 7}),
        ("drop", {"nosuch": "x", "all": True}),
        ("drop", {"all": True, "toPool": "spare"}),
        ("drop", {"all": True, "after": -1}),
        ("drop", {"state": ["queued"]}),
        ("move", {"all": True}),
        ("move", {"all": True, "toPool": "nosuch"}),
        ("move", {"all": True, "toPool": ""}),
    ],
)
async def test_a_wrong_order_is_400(
    quiet: House, act: str, body: dict[str, object]
) -> None:
    """And changes nothing."""
    await waits(quiet)
    content = json.dumps(body)
    path = f"{QUEUE}/{act}"
    answer = await quiet.http.post(path, content=content, headers=bearer(quiet))
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert len(await states(quiet, "?state=queued&pool=sandbox")) == 1


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"\xff", b"null", b'{"all": true' + b"[" * 50_000]
)
async def test_a_body_that_is_none_is_400(quiet: House, raw: bytes) -> None:
    """ATTACKS 10: whatever it is."""
    answer = await quiet.http.post(f"{QUEUE}/drop", content=raw, headers=bearer(quiet))
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_a_long_act_is_done_in_parts(
    quiet: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request works longer than it should; the next goes on behind it."""
    monkeypatch.setattr(queue_api, "MAX_CHANGES", 2)
    await waits(quiet, "a@a.example", "b@b.example", "c@c.example")
    answer = await order(quiet, "hold", all=True)
    assert (answer.json()["changed"], answer.json()["next"]) == (2, 2)
    answer = await order(quiet, "hold", all=True, after=2)
    assert (answer.json()["changed"], answer.json()["next"]) == (1, None)


async def test_keys_see_what_is_theirs(quiet: House) -> None:
    """ATTACKS 12: the account all, a sub-account its own, a stranger nothing."""
    (message,) = await waits(quiet)
    control = quiet.folder.control_key.read_text().strip()
    for key, seen in (("", 1), (quiet.key, 1), (control, 1), ("stranger", 0)):
        told = (await ask(quiet, key=key)).json()
        assert len(told["deliveries"]) == seen
        assert (await ask(quiet, "/count", key)).json()["total"] == seen
        told = (await ask(quiet, f"?delivery={message}", key)).json()
        assert len(told["deliveries"]) == seen
    answer = await ask(quiet, f"?subAccount={quiet.sub_account}", "stranger")
    assert answer.status_code == 403
    answer = await ask(quiet, f"?subAccount={quiet.sub_account}", quiet.key)
    assert len(answer.json()["deliveries"]) == 1


async def test_only_the_operator_changes_the_queue(quiet: House) -> None:
    """ATTACKS 12: what is held is not its sender's to release, nor anyone's else."""
    await waits(quiet)
    for act in ("hold", "release", "retry", "drop", "move"):
        for key, status in (
            (quiet.key, 403),
            ("stranger", 403),
            ("send-only", 401),
            ("wrong", 401),
        ):
            answer = await order(quiet, act, key=key, all=True)
            assert answer.status_code == status
            assert answer.json()["message"]
    for query in ("", "/count"):
        assert (await ask(quiet, query, "send-only")).status_code == 401
        assert (await quiet.http.get(QUEUE + query)).status_code == 401
    assert await states(quiet) == ["queued"]


async def test_other_paths_and_methods_are_not_there(quiet: House) -> None:
    """404 and 405, in JSON, without a redirect."""
    for method, path, status in (
        ("POST", f"{QUEUE}/nosuch", 404),
        ("GET", f"{QUEUE}/hold", 405),
        ("POST", QUEUE, 405),
        ("GET", f"{QUEUE}/{UUID(int=7)}", 404),
    ):
        answer = await quiet.http.request(method, path, headers=bearer(quiet))
        assert answer.status_code == status, path
        assert answer.json()["message"]


@pytest.mark.parametrize("by", ["request", "command"])
async def test_what_is_released_is_sent_soon(tmp_path: Path, by: str) -> None:
    """Whether this process or another one, such as a command, released it."""
    premises = await furnish(tmp_path, _prepare)
    async with running(premises, "relay.enabled=false") as before:
        (message,) = await waits(before)
        await order(before, "hold", all=True)
    async with running(premises) as house:
        assert await states(house) == ["held"]
        if by == "request":
            await order(house, "release", message=message)
        else:
            async with house.outside() as other:
                desk = QueueDesk(other, time.time_ns)
                await desk.act(Order(Act.RELEASE, EVERYTHING))
        with trio.fail_after(SOON):
            await house.heard(EventType.SENT, message)
