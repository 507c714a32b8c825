"""The calls about providers, against a server that takes mail or does not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.core.credential import hash_key
from appliance.dialects.sendpost.provider_answer import AGENT_IS_STALE_NS
from appliance.flow.provider_desk import TESTS_AT_A_TIME
from appliance.store.pools import list_pools
from appliance.store.providers import find_by_event_key, list_providers
from appliance.store.transaction import Tx, View
from tests.fakes.account_desk import (
    KEY,
    POOLS,
    AccountDesk,
    error,
    open_account_desk,
)
from tests.fakes.account_desk import PROVIDERS as PATH
from tests.fakes.upstream import Close, Hold, Say, Script

TEST = "/api/v1/tpsp/test/custom-smtp"
CONTRACT = "X-SendPost-Public-Contract"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AccountDesk]:
    """The calls, over a store of their own."""
    async with open_account_desk(tmp_path) as one:
        yield one


# --- made ------------------------------------------------------------------------


async def test_a_provider_is_made_after_a_whole_transaction(desk: AccountDesk) -> None:
    """201 and the object; the test message says in the vendor's way what it is."""
    fake, where = await desk.upstream()
    people = {"testFrom": "a@s.example", "testTo": "b@r.example"}
    answer = await desk.ask("POST", PATH, {**where, **people})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["type"], made["host"]) == ("post", 3, "127.0.0.1")
    assert made["maxRatePerHour"] is None
    assert made["agentStatus"] == "never"
    assert made["created"] > 1_600_000_000_000_000_000
    (test,) = fake.received
    assert test.recipients == ("<b@r.example>",)
    assert b"\r\nX-Sendpost-Test: 1\r\n" in test.content
    assert (await desk.ask("GET", f"{PATH}/{made['id']}")).json()["id"] == made["id"]


async def test_the_event_key_is_shown_once_and_stored_as_a_hash(
    desk: AccountDesk,
) -> None:
    """ATTACKS 27: afterwards its last characters; a new one ends the old one."""
    made = await desk.add()
    key = str(made["eventIngestionApiKey"])
    shown = (await desk.ask("GET", f"{PATH}/{made['id']}")).json()
    assert "eventIngestionApiKey" not in shown
    assert shown["eventIngestionApiKeyHint"] == key[-4:]
    raw = await desk.store.read(_rows)
    assert key not in raw
    assert hash_key(key).hex() in raw
    again = await desk.ask("POST", f"{PATH}/{made['id']}/event-key")
    assert again.status_code == 200
    new = again.json()["eventIngestionApiKey"]
    assert new != key
    assert await desk.store.read(find_by_event_key, key) is None
    assert await desk.store.read(find_by_event_key, new) == made["id"]


async def test_a_pool_is_made_with_it_unless_it_is_not_wanted(
    desk: AccountDesk,
) -> None:
    """Of the same name; it sends everything there."""
    made = await desk.add()
    await desk.add("other", createIpPool=False)
    pools = {one.name: one for one in await desk.store.read(list_pools)}
    assert list(pools) == ["sandbox", "post"]
    assert pools["post"].shares == ((made["id"], 100),)


async def test_a_server_that_refuses_is_not_taken(desk: AccountDesk) -> None:
    """422: the class of the failure, the step, and the steps before it with times."""
    _, where = await desk.upstream(Script({"RCPT": Say("550 5.1.1 nobody here")}))
    answer = await desk.ask("POST", PATH, where)
    assert error(answer, 422) == ("RCPT TO", "RCPT TO failure")
    steps = answer.json()["steps"]
    assert [one["step"] for one in steps] == ["CONNECT", "EHLO", "MAIL FROM", "RCPT TO"]
    assert steps[-1]["code"] == 550
    assert all(isinstance(one["ms"], int) for one in steps)
    assert answer.json()["error"]["details"][0]["message"] == "5.1.1 nobody here"
    assert await _names(desk) == ["capture"]


@pytest.mark.parametrize(
    ("fields", "said", "more"),
    [
        ({"host": "no-such-host.invalid"}, "Connection refused", "does not resolve"),
        ({"security": "starttls"}, "TLS handshake failed", "does not offer STARTTLS"),
        ({"security": "tls"}, "TLS handshake failed", ""),
    ],
)
async def test_what_went_wrong_is_in_the_details(
    desk: AccountDesk, fields: dict[str, object], said: str, more: str
) -> None:
    """Bad input of the issue: the documented class, and the cause beside it."""
    _, where = await desk.upstream(Script({"EHLO": [None, Close()]}))
    answer = await desk.ask("POST", PATH, {**where, **fields})
    assert error(answer, 422)[1] == said
    assert more in answer.json()["error"]["details"][0]["message"]


async def test_credentials_need_a_protected_connection(desk: AccountDesk) -> None:
    """Nothing is even dialled; a setting of the operator's would allow it."""
    fake, where = await desk.upstream()
    login = {"username": "me", "password": "hunter2"}
    for path in (PATH, TEST):
        answer = await desk.ask("POST", path, {**where, **login})
        assert error(answer, 422) == (
            "security",
            "Credentials are not sent without TLS",
        )
    assert fake.commands == []


async def test_names_are_given_once(desk: AccountDesk) -> None:
    """403 before anybody is sent a test: of the provider, and of its own pool."""
    fake, where = await desk.upstream()
    for name, param in (("capture", "name"), ("sandbox", "createIpPool")):
        answer = await desk.ask("POST", PATH, {**where, "name": name})
        assert error(answer, 403)[0] == param
        assert answer.json()["error"]["code"] == "resource_exists"
    assert fake.received == []


async def test_what_is_no_object_is_refused(desk: AccountDesk) -> None:
    """ATTACKS 10: 422 whatever the bytes are."""
    for body in (b"", b"[]", b"{", b'{"name":1}', b"\xff"):
        for method, path in (("POST", PATH), ("PUT", f"{PATH}/1"), ("POST", TEST)):
            error(await desk.ask(method, path, body), 422)


async def test_few_tests_run_at_a_time(desk: AccountDesk) -> None:
    """Who asks for more is told to come again, with a time."""
    hold = trio.Event()
    fake, where = await desk.upstream(Script({"EHLO": (Hold(hold), Say("250 hi"))}))
    statuses: list[int] = []

    async def one() -> None:
        statuses.append((await desk.ask("POST", TEST, where)).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(TESTS_AT_A_TIME):
            nursery.start_soon(one)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(fake.commands) == TESTS_AT_A_TIME
        answer = await desk.ask("POST", TEST, where)
        assert answer.status_code == 429
        assert "Retry-After" in answer.headers
        hold.set()
    assert statuses == [200] * TESTS_AT_A_TIME


# --- shown, changed, removed -----------------------------------------------------


async def test_both_spellings_of_the_path_and_both_contracts(
    desk: AccountDesk,
) -> None:
    """With and without /account, with and without the slash; one form in both."""
    number = (await desk.add())["id"]
    bodies = set()
    for root in (PATH, "/api/v1/tpsp"):
        for slash in ("", "/"):
            for contract in ("v1", "legacy"):
                named = {"X-Account-ApiKey": KEY, CONTRACT: contract}
                path = f"{root}/{number}{slash}"
                answer = await desk.ask("GET", path, headers=named)
                assert answer.headers[CONTRACT] == contract
                bodies.add(answer.text)
            listed = await desk.ask("GET", f"{root}{slash}")
            assert [one["name"] for one in listed.json()] == ["capture", "post"]
    assert len(bodies) == 1


async def test_a_list_comes_in_parts(desk: AccountDesk) -> None:
    """By limit, offset and search; a bad value is 400."""
    await desk.add()
    for query, names in (
        ("limit=1", ["capture"]),
        ("offset=1", ["post"]),
        ("search=POS", ["post"]),
        ("search=x", []),
    ):
        listed = await desk.ask("GET", f"{PATH}?{query}")
        assert [one["name"] for one in listed.json()] == names
    for query in ("limit=0", "limit=x", "offset=-1", "limit=1001"):
        assert error(await desk.ask("GET", f"{PATH}?{query}"), 400)


async def test_a_change_is_partial_and_tested_only_if_the_way_changes(
    desk: AccountDesk,
) -> None:
    """A new rate asks nobody; a new port is tried, and kept only if it takes mail."""
    made = await desk.add(maxRatePerHour=500)
    number = f"{PATH}/{made['id']}"
    fake, there = await desk.upstream()
    changed = await desk.ask(
        "PUT", number, {"maxRatePerHour": 50, "gmailSettings": '{"maxRatePerHour":5}'}
    )
    assert changed.status_code == 200, changed.text
    assert changed.json()["maxRatePerHour"] == 50
    assert changed.json()["gmailSettings"] == '{"name":"gmail","maxRatePerHour":5}'
    assert fake.received == []
    moved = await desk.ask("PUT", number, {"port": there["port"]})
    assert (moved.status_code, moved.json()["port"]) == (200, there["port"])
    assert len(fake.received) == 1
    assert moved.json()["maxRatePerHour"] == 50
    _, bad = await desk.upstream(Script({"MAIL": Say("550 no")}))
    answer = await desk.ask("PUT", number, {"port": bad["port"]})
    assert error(answer, 422) == ("MAIL FROM", "MAIL FROM failure")
    kept = (await desk.ask("GET", number)).json()
    assert kept["port"] == there["port"]
    assert "eventIngestionApiKey" not in kept
    lifted = (await desk.ask("PUT", number, {"maxRatePerHour": None})).json()
    assert lifted["maxRatePerHour"] is None


async def test_a_change_upon_another_keeps_both(desk: AccountDesk) -> None:
    """What was changed while a server was tried is not taken back."""
    made = await desk.add()
    number = f"{PATH}/{made['id']}"
    hold = trio.Event()
    _, slow = await desk.upstream(Script({"EHLO": (Hold(hold), Say("250 hi"))}))

    async def change() -> None:
        answer = await desk.ask("PUT", number, {"port": slow["port"]})
        assert answer.status_code == 200, answer.text

    async with trio.open_nursery() as nursery:
        nursery.start_soon(change)
        quick = await desk.ask("PUT", number, {"maxRatePerHour": 77})
        assert quick.status_code == 200
        hold.set()
    now = (await desk.ask("GET", number)).json()
    assert (now["port"], now["maxRatePerHour"]) == (slow["port"], 77)


async def test_what_is_used_stays(desk: AccountDesk) -> None:
    """403 while a pool has it; afterwards it goes, and 404 is all that is left."""
    made = await desk.add()
    number = f"{PATH}/{made['id']}"
    assert "post" in error(await desk.ask("DELETE", number), 403)[1]
    (pool,) = [
        one for one in (await desk.ask("GET", POOLS)).json() if one["name"] == "post"
    ]
    gone = await desk.ask("DELETE", f"{POOLS}/{pool['id']}")
    assert gone.status_code == 200
    answer = await desk.ask("DELETE", number)
    assert answer.json() == {
        "id": made["id"],
        "message": "TPSP (post) has been deleted successfully.",
    }
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/event-key")):
        error(await desk.ask(method, number + path), 404)
    error(await desk.ask("PUT", number, {"name": "x"}), 404)


async def test_the_capture_provider_has_no_server(desk: AccountDesk) -> None:
    """It is shown like the others, and can be renamed at most."""
    first = (await desk.ask("GET", PATH)).json()[0]
    assert (first["name"], first["host"]) == ("capture", "")
    renamed = await desk.ask("PUT", f"{PATH}/{first['id']}", {"name": "keep"})
    assert renamed.json()["name"] == "keep"
    param, said = error(
        await desk.ask("PUT", f"{PATH}/{first['id']}", {"host": "h"}), 422
    )
    assert param == "host"
    assert "no server" in said
    error(await desk.ask("PUT", f"{PATH}/{first['id']}", {"name": ""}), 422)


async def test_an_agent_that_reported_is_shown(desk: AccountDesk) -> None:
    """The moment and what it means."""
    made = await desk.add()
    seen_ns = int(str(made["created"])) - 2 * AGENT_IS_STALE_NS

    def note(tx: Tx) -> None:
        tx.db.execute("UPDATE provider SET agent_last_seen_ns = ?", (seen_ns,))

    await desk.store.write(note)
    shown = (await desk.ask("GET", f"{PATH}/{made['id']}")).json()
    assert (shown["agentLastSeenAt"], shown["agentStatus"]) == (seen_ns, "stale")


# --- tried -----------------------------------------------------------------------


@pytest.mark.parametrize("path", [TEST, "/api/v1/account/tpsp/test/custom-smtp"])
async def test_a_test_makes_nothing(desk: AccountDesk, path: str) -> None:
    """200 and the steps; no name is needed and nothing is stored."""
    fake, where = await desk.upstream()
    del where["name"]
    answer = await desk.ask("POST", path, where)
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    assert [one["step"] for one in answer.json()["steps"]] == [
        *("CONNECT", "EHLO", "MAIL FROM", "RCPT TO", "DATA", "END OF DATA", "QUIT")
    ]
    assert len(fake.received) == 1
    assert await _names(desk) == ["capture"]


# --- who may ---------------------------------------------------------------------


async def test_only_the_accounts_key_opens(desk: AccountDesk) -> None:
    """401 without it or with another, 403 for one that may only send."""
    for headers in (
        {},
        {"X-Account-ApiKey": "wrong"},
        {"X-Account-ApiKey": "sub-account-key"},
        {"X-SubAccount-ApiKey": "sub-account-key"},
        {"X-SubAccount-ApiKey": KEY},
    ):
        for method, path in (("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/1")):
            answer = await desk.ask(method, path, headers=headers)
            assert error(answer, 401)
            assert answer.headers[CONTRACT] == "v1"
    named = {"X-Account-ApiKey": "send-only"}
    assert error(await desk.ask("GET", PATH, headers=named), 403)


async def test_other_paths_and_methods_are_not_there(desk: AccountDesk) -> None:
    """404 and 405 in the common form; the methods that are there are named."""
    for path in (f"{PATH}/x", f"{PATH}/1/x", f"{PATH}/1/event-key/x", f"{PATH}/-1"):
        error(await desk.ask("GET", path), 404)
    for path in (f"{PATH}/0", f"{PATH}/99", f"{PATH}/{10**30}"):
        error(await desk.ask("GET", path), 404)
    for method, path, allow in (
        ("PATCH", PATH, "GET, POST"),
        ("DELETE", PATH, "GET, POST"),
        ("POST", f"{PATH}/1", "DELETE, GET, PUT"),
        ("GET", TEST, "POST"),
    ):
        answer = await desk.ask(method, path)
        error(answer, 405)
        assert answer.headers["allow"] == allow
    named = {"X-Account-ApiKey": KEY, CONTRACT: "v9"}
    answer = await desk.ask("GET", PATH, headers=named)
    assert error(answer, 400)[0] == CONTRACT


async def _names(desk: AccountDesk) -> list[str]:
    return [one.name for one in await desk.store.read(list_providers)]


def _rows(view: View) -> str:
    rows = view.db.execute("SELECT *, hex(event_key_hash) FROM provider").fetchall()
    return repr(rows) + " ".join(str(row[-1]).lower() for row in rows)
