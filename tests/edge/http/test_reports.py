"""Log agents report over real HTTP, and what follows for the next mail."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio

from appliance.core.credential import SubAccount
from appliance.core.event import EventType
from appliance.core.ids import uuid7
from appliance.edge.http.reports import MAX_BODY_BYTES, SMALL_BODY_BYTES, unpack
from appliance.edge.http.sendpost import STRANGER_BYTES
from appliance.store.providers import list_providers, set_event_key
from appliance.store.transaction import Tx
from tests.fakes.account_desk import KEY, PROVIDERS
from tests.fakes.house import House, add_key, lead_to, mail, open_house
from tests.fakes.upstream import FakeUpstream

EVENTS = "/api/v1/tpsp/custom-smtp/events"
AGENT = "agent-key-of-the-upstream"
OTHER = "agent-key-of-another"


@pytest.fixture
async def house(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[House]:
    """A server whose mail goes through an upstream with a log agent."""
    port = await FakeUpstream().start(nursery)

    def prepare(tx: Tx, ours: SubAccount) -> None:
        add_key(tx, ours, KEY, whole_account=True)
        lead_to(tx, port)
        capture, upstream = list_providers(tx)
        set_event_key(tx, capture.id, OTHER)
        set_event_key(tx, upstream.id, AGENT)

    async with open_house(tmp_path, prepare=prepare) as one:
        yield one


async def report(
    house: House, body: object, *, key: str = AGENT, path: str = EVENTS
) -> httpx.Response:
    """The answer to what an agent posts."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"X-SP-Event-ApiKey": key}
    return await house.http.post(path, content=raw, headers=named)


async def test_a_bounce_comes_back_and_the_next_mail_is_refused(house: House) -> None:
    """The whole way: sent, bounced, suppressed, told at the next attempt to send."""
    message = await house.sent()
    bounce = {
        "message_id": message,
        "event_type": "bounced",
        "smtp_description": "550 5.1.1 <bob@rcpt.example>: User unknown",
    }
    answer = await report(house, {"events": [bounce, {"message_id": "x"}]})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (1, 1)
    assert told["errors"][0]["index"] == 1
    event = await house.heard(EventType.HARD_BOUNCED, message)
    assert event.data["reason"] == "user_unknown"
    (result,) = (await house.send(mail())).json()
    assert result["errorCode"] == 2


async def test_a_sign_of_life_is_shown_with_the_provider(house: House) -> None:
    """With a slash at the end too, and no redirect."""
    assert (await report(house, {"events": []}, path=f"{EVENTS}/")).json() == {
        "accepted": 0,
        "rejected": 0,
        "errors": [],
    }
    shown = await house.http.get(PROVIDERS, headers={"X-Account-ApiKey": KEY})
    seen = {one["name"]: one["agentLastSeenAt"] for one in shown.json()}
    assert seen["up"] > 0


async def test_an_event_key_opens_nothing_else_and_no_other_key_this(
    house: House,
) -> None:
    """ATTACKS 24, CVE-2026-42193: key scope; 401 without a word about the mail."""
    message = await house.sent()
    event = {"message_id": message, "event_type": "delivered"}
    for key in ("", "x", house.key, KEY, AGENT + "x"):
        assert (await report(house, event, key=key)).status_code == 401
    for name in ("X-SubAccount-ApiKey", "X-Account-ApiKey"):
        answer = await house.http.post(EVENTS, json=event, headers={name: KEY})
        assert answer.status_code == 401
    for named in (
        {"X-SP-Event-ApiKey": AGENT},
        {"X-Account-ApiKey": AGENT},
        {"Authorization": f"Bearer {AGENT}"},
    ):
        for path in (PROVIDERS, "/postroom/v1/events"):
            answer = await house.http.get(path, headers=named)
            assert answer.status_code == 401
    assert (await house.send(key=AGENT)).status_code == 401
    assert (await house.http.get(EVENTS)).status_code == 405


async def test_another_providers_agent_is_told_nothing(house: House) -> None:
    """ATTACKS 24: a known id is refused in the words for an unknown one."""
    message = await house.sent()
    answers = []
    for one in (message, str(uuid7())):
        event = {"message_id": one, "event_type": "bounced"}
        (error,) = (await report(house, event, key=OTHER)).json()["errors"]
        answers.append(error["error"])
    assert len(set(answers)) == 1
    assert not [one for one in await house.events() if one.type > EventType.DROPPED]


async def test_large_and_packed_bodies(house: House) -> None:
    """Spec 11.2: 1 MiB and gzip are taken, more is 413, no JSON is 422."""
    message = await house.sent()
    text = "x" * SMALL_BODY_BYTES
    event = {"message_id": message, "event_type": "deferred", "smtp_description": text}
    packed = gzip.compress(json.dumps([event]).encode())
    named = {"X-SP-Event-ApiKey": AGENT, "Content-Encoding": "gzip"}
    answer = await house.http.post(EVENTS, content=packed, headers=named)
    assert answer.json()["accepted"] == 1
    assert (await report(house, b" " * MAX_BODY_BYTES)).status_code == 422
    assert (await report(house, b" " * (MAX_BODY_BYTES + 1))).status_code == 413
    assert (await report(house, [event] * 1001)).status_code == 413
    stranger = await report(house, b" " * (STRANGER_BYTES + 1), key="")
    assert stranger.status_code == 401


async def test_a_full_disk_loses_no_report(house: House) -> None:
    """503: the agent comes again; what was answered with 200 is on disk, no more."""
    people = [{"email": f"u{number}@rcpt.example"} for number in range(30)]
    sent = (await house.send(mail(to=people))).json()
    for one in sent:
        await house.heard(EventType.SENT, one["messageId"])
    await house.limit_pages(5)
    answers = []
    for one in sent:
        event = {"message_id": one["messageId"], "event_type": "delivered"}
        event["smtp_description"] = "x" * 900
        answers.append((await report(house, event)).status_code)
    assert 503 in answers
    assert set(answers) <= {200, 503}
    told = [one for one in await house.events() if one.type is EventType.DELIVERED]
    assert len(told) == answers.count(200)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(b" " * (MAX_BODY_BYTES + 1), mtime=0)),
        (b"gzip", gzip.compress(b"[]", mtime=0)[:-4]),
        (b"gzip", gzip.compress(b"[]", mtime=0) + b"x"),
        (b"gzip", zlib.compress(b"[]")),
        (b"gzip", b""),
        (b"br", b"[]"),
        (b"gzip, gzip", b"[]"),
    ],
    ids=("large", "cut", "more", "zlib", "empty", "brotli", "twice"),
)
def test_a_packed_body_is_whole_and_bounded(coding: bytes, body: bytes) -> None:
    """ATTACKS 24: a bomb is unpacked no further than the bound."""
    assert not isinstance(unpack([(b"content-encoding", coding)], body), bytes)
    assert unpack([], body) == body
