from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import trio

from appliance.core.credential import Scope, SubAccount
from appliance.core.event import EventType
from appliance.store.credentials import revoke_credential
from appliance.store.transaction import Tx
from tests.fakes.house import (
    NOW_NS,
    House,
    add_key,
    add_sender_domain,
    add_tenant,
    mail,
    open_house,
)

EVENTS = "/postroom/v1/events"
CAPTURED = "/postroom/v1/captured"
OTHER_DOMAIN = "other.example"


def _prepare(tx: Tx, ours: SubAccount) -> None:
    add_key(tx, ours, "send-only", scope=Scope.SEND_ONLY)
    add_key(tx, ours, "another-dialect", dialect="anypost")
    revoked = add_key(tx, ours, "revoked")
    revoke_credential(tx, revoked.uuid, NOW_NS)
    other = add_tenant(tx, "other")
    add_key(tx, other, "stranger")
    add_sender_domain(tx, other.id, name=OTHER_DOMAIN)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server with keys of many kinds."""
    async with open_house(tmp_path, prepare=_prepare) as one:
        yield one


def bearer(key: str) -> dict[str, str]:
    """How a key is shown."""
    return {"Authorization": f"Bearer {key}"}


async def ask(house: House, query: str = "", key: str = "") -> httpx.Response:
    """The answer to one question about events, with the account's key."""
    headers = bearer(key or house.made.keys["accountKey"])
    return await house.http.get(EVENTS + query, headers=headers)


async def numbers(house: House, query: str = "", key: str = "") -> list[int]:
    """The numbers of the events that were told."""
    answer = await ask(house, query, key)
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.json()["events"]]


async def test_events_are_told_in_order(house: House) -> None:
    """Everything that is known of an event, and where to go on from."""
    message = await house.sent()
    answer = await ask(house)
    assert answer.headers.get_list("content-type") == ["application/json"]
    told = answer.json()
    assert (told["next"], told["last"]) == (2, 2)
    processed, sent = told["events"]
    assert (processed["number"], processed["type"], processed["name"]) == (
        1,
        58,
        "processed",
    )
    assert (sent["number"], sent["type"], sent["provider"]) == (2, 59, "capture")
    assert (sent["message"], sent["delivery"]) == (message, message)
    assert sent["to"] == "bob@rcpt.example"
    assert sent["data"]["code"] == 250


async def test_pages_follow_one_another(house: House) -> None:
    """``next`` is the cursor: every event once, whatever the size of the page."""
    for _ in range(3):
        await house.sent()
    for limit in (1, 2, 4, 1000):
        seen: list[int] = []
        cursor, last = 0, 6
        while cursor < last:
            told = (await ask(house, f"?after={cursor}&limit={limit}")).json()
            seen += [one["number"] for one in told["events"]]
            cursor, last = told["next"], told["last"]
        assert seen == [1, 2, 3, 4, 5, 6]
    assert await numbers(house, "?after=6") == []
    answer = await ask(house, "?after=7")  # a log that was restored is shorter
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "the last event is 6",
    )


async def test_only_what_is_wanted_is_told(house: House) -> None:
    """By type, as a name or a number, by several, and by message."""
    first, second = [await house.sent() for _ in range(2)]
    assert await numbers(house, "?type=sent") == [2, 4]
    assert await numbers(house, "?type=58") == [1, 3]
    assert await numbers(house, "?type=58,sent") == [1, 2, 3, 4]
    assert await numbers(house, "?type=opened") == []
    assert await numbers(house, f"?message={first}") == [1, 2]
    assert await numbers(house, f"?message={second}&type=59&limit=1&after=1") == [4]
    assert await numbers(house, f"?message={UUID(int=7)}") == []


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        "?limit=1001",
        "?limit=-1",
        "?limit=x",
        "?limit=",
        "?limit=٣",
        "?limit=1&limit=2",
        "?limit=0000000011234567",
        "?limit=000000001" + "9" * 5_000,
        "?after=-1",
        "?after=x",
        "?after=1&after=2",
        "?after=" + "9" * 30,
        "?after=" + "9" * 5_000,
        "?type=nosuch",
        "?type=",
        "?message=nosuch",
        "?nosuch=1",
        "?" + "&".join(f"a{n}=1" for n in range(50)),
    ],
    ids=lambda query: query[:24],
)
async def test_a_wrong_question_is_400(house: House, query: str) -> None:
    """Said in words; a typo is never taken for no filter."""
    answer = await ask(house, query)
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_keys_see_what_is_theirs(house: House) -> None:
    """ATTACKS 12: the account all, a sub-account its own, a stranger nothing."""
    await house.sent()
    answer = await house.send(
        mail(sender={"email": f"a@{OTHER_DOMAIN}"}), key="stranger"
    )
    (result,) = answer.json()
    await house.heard(EventType.SENT, result["messageId"])
    assert await numbers(house) == [1, 2, 3, 4]
    assert await numbers(house, key=house.key) == [1, 2]
    assert await numbers(house, key="another-dialect") == [1, 2]
    assert await numbers(house, key="stranger") == [3, 4]
    assert await numbers(house, f"?message={result['messageId']}", house.key) == []
    control = house.folder.control_key.read_text().strip()
    assert await numbers(house, key=control) == [1, 2, 3, 4]


async def test_dialect_headers_hold_keys_too(house: House) -> None:
    """One of each, and never two of the same."""
    for name, key in (
        ("X-SubAccount-ApiKey", house.key),
        ("X-Account-ApiKey", house.made.keys["accountKey"]),
    ):
        assert (await house.http.get(EVENTS, headers={name: key})).status_code == 200
        doubled = [(name, key), (name, key)]
        assert (await house.http.get(EVENTS, headers=doubled)).status_code == 401


async def test_without_a_key_that_may_read_nothing_is_told(house: House) -> None:
    """401 alike for none, wrong, revoked and send-only, on every path."""
    message = await house.sent()
    for path in (EVENTS, f"{CAPTURED}/{message}"):
        for headers in (
            {},
            bearer("wrong"),
            bearer("revoked"),
            bearer("send-only"),
            bearer("x" * 5_000),
            {"Authorization": house.key},
            {"Authorization": "Basic eDp5"},
            {"Cookie": f"key={house.key}"},
        ):
            answer = await house.http.get(path, headers=headers)
            assert answer.status_code == 401, headers
            assert answer.json() == {"message": "the key is missing or not valid"}


async def test_captured_mail_is_for_who_may_see_it(house: House) -> None:
    """ATTACKS 12: another tenant's mail is as unknown as none."""
    message = await house.sent()
    for key in (house.key, house.made.keys["accountKey"]):
        answer = await house.http.get(f"{CAPTURED}/{message}", headers=bearer(key))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "message/rfc822"
        assert b"Subject: Your order" in answer.content
    unknown = {
        (answer.status_code, answer.content)
        for path, key in (
            (message, "stranger"),
            (str(UUID(int=7)), house.key),
            (str(UUID(int=7)), "stranger"),
            ("nosuch", house.key),
            (f"{message}x", house.key),
        )
        for answer in [await house.http.get(f"{CAPTURED}/{path}", headers=bearer(key))]
    }
    assert [status for status, _ in unknown] == [404]


async def test_a_key_of_another_process_counts_within_a_second(house: House) -> None:
    """Added or revoked by a command: no restart."""
    assert (await ask(house, key="late")).status_code == 401

    async def becomes(status: int) -> None:
        with trio.fail_after(1):
            while (await ask(house, key="late")).status_code != status:
                await trio.lowlevel.checkpoint()

    async with house.outside() as other:
        added = await other.write(add_key, house.made.sub_account, "late")
        await becomes(200)
        sent = await house.send(key="late")
        assert sent.status_code == 200
        await other.write(revoke_credential, added.uuid, NOW_NS)
        await becomes(401)
        sent = await house.send(key="late")
        assert sent.status_code == 401


async def test_only_reading_is_offered(house: House) -> None:
    """Another method is 405, another path 404, both in JSON."""
    for method, path, status in (
        ("POST", EVENTS, 405),
        ("DELETE", f"{CAPTURED}/{UUID(int=7)}", 405),
        ("GET", "/postroom/v1/nosuch", 404),
        ("GET", f"{EVENTS}/", 404),
    ):
        answer = await house.http.request(method, path)
        assert answer.status_code == status, path
        assert answer.headers.get_list("content-type") == ["application/json"]
        assert answer.json()["message"]
