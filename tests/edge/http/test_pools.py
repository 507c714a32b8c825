"""The calls about pools, in both contracts."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import Routing
from appliance.store.pools import list_pools
from appliance.store.providers import NewProvider, add_provider
from appliance.store.transaction import Tx
from tests.fakes.account_desk import KEY, POOLS, AccountDesk, error, open_account_desk

CONTRACT = "X-SendPost-Public-Contract"
V1_KEYS = {
    *("id", "name", "type", "routingStrategy", "routingMetaData"),
    *("shouldOverflow", "overflowPoolName", "ips", "created"),
}
LEGACY_KEYS = V1_KEYS | {
    *("thirdPartySendingProviders", "autoWarmupEnabled", "infraMonitor"),
    *("ipDomainWarmupStatus", "warmupInterval"),
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AccountDesk]:
    """The calls, over a store with three providers in it."""
    async with open_account_desk(tmp_path) as one:
        await one.store.write(_add_providers)
        yield one


def _add_providers(tx: Tx) -> None:
    for name in ("a", "b", "c"):
        assert add_provider(tx, NewProvider(name, host="mx.example"))


async def made(desk: AccountDesk, **fields: Any) -> int:
    """The number of a pool that was made."""
    body = {"name": "main", "tpsps": [2, 3], **fields}
    answer = await desk.ask("POST", POOLS, body)
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["id"]
    return number


def shares(*percents: tuple[int, int]) -> dict[str, object]:
    """The fields of a pool of percentages."""
    inner = ",".join(f'"TPSP_{one}":"{percent}"' for one, percent in percents)
    return {"routingStrategy": 2, "routingMetaData": f"{{{inner}}}"}


async def _of(desk: AccountDesk, number: int) -> Sequence[tuple[ProviderId, int]]:
    pools = await desk.store.read(list_pools)
    return next(one.shares for one in pools if one.id == number)


async def test_a_pool_is_made_shown_and_kept(desk: AccountDesk) -> None:
    """200, not 201, in both contracts; the routing string comes back as it was sent."""
    fields = shares((2, 70), (3, 30))
    number = await made(desk, **fields, shouldOverflow=True, overflowPoolName="sandbox")
    shown = (await desk.ask("GET", f"{POOLS}/{number}")).json()
    assert set(shown) == V1_KEYS
    assert shown["routingMetaData"] == fields["routingMetaData"]
    assert (shown["shouldOverflow"], shown["overflowPoolName"]) == (True, "sandbox")
    assert shown["ips"] == []
    assert shown["created"] > 1_600_000_000_000_000_000
    assert await _of(desk, number) == ((2, 70), (3, 30))


async def test_the_legacy_contract_has_the_providers(desk: AccountDesk) -> None:
    """Its keys and no others, in the pool and in its providers."""
    number = await made(desk)
    named = {"X-Account-ApiKey": KEY, CONTRACT: "legacy"}
    for path in (f"{POOLS}/{number}", f"{POOLS}/{number}/"):
        answer = await desk.ask("GET", path, headers=named)
        assert answer.headers["deprecation"] == "true"
        assert set(answer.json()) == LEGACY_KEYS
        members = answer.json()["thirdPartySendingProviders"]
        assert [one["name"] for one in members] == ["a", "b"]
        assert set(members[0]) == {
            *("id", "name", "type", "domain", "endpoint", "key", "secret"),
            *("port", "oauthToken", "retryTime", "created"),
        }


@pytest.mark.parametrize("routing", Routing)
async def test_each_strategy_survives_the_disk(
    desk: AccountDesk, routing: Routing
) -> None:
    """What was stored is what is shown."""
    meta = {
        Routing.ROUND_ROBIN: "{}",
        Routing.RECIPIENT_CLASS: (
            '{"0":"[\\"TPSP_2\\",\\"TPSP_3\\"]","others":"[\\"TPSP_3\\"]"}'
        ),
        Routing.SHARES: '{"TPSP_2":"99","TPSP_3":"1"}',
        Routing.SENDER_DOMAIN: '{"example.com":"[\\"TPSP_3\\"]"}',
    }[routing]
    fields = {"routingStrategy": routing.value, "routingMetaData": meta}
    number = await made(desk, **fields)
    shown = (await desk.ask("GET", f"{POOLS}/{number}")).json()
    assert {name: shown[name] for name in fields} == fields
    sent_back = await desk.ask("PUT", f"{POOLS}/{number}", shown)
    assert sent_back.json() == shown


async def test_a_change_replaces_what_it_names(desk: AccountDesk) -> None:
    """Everything is optional; given lists replace."""
    number = await made(desk, **shares((2, 70), (3, 30)))
    path = f"{POOLS}/{number}"
    renamed = await desk.ask("PUT", path, {"name": "post"})
    assert renamed.status_code == 200
    assert renamed.json()["name"] == "post"
    assert await _of(desk, number) == ((2, 70), (3, 30))
    body = {"tpsps": [3, 4], **shares((3, 50), (4, 50))}
    assert (await desk.ask("PUT", path, body)).status_code == 200
    assert await _of(desk, number) == ((3, 50), (4, 50))


async def test_bad_input_changes_nothing(desk: AccountDesk) -> None:
    """The list of the issue, each with 422 and the field at fault."""
    number = await made(desk, **shares((2, 70), (3, 30)))
    before = await desk.store.read(list_pools)
    for param, body in (
        ("routingMetaData", shares((2, 70), (3, 29))),
        ("routingMetaData", shares((2, 70), (4, 30))),
        ("tpsps[0]", {"tpsps": [99]}),
        ("ips", {"ips": [{"publicIP": "192.0.2.1"}]}),
        ("overflowPoolName", {"overflowPoolName": "nosuch"}),
        ("routingStrategy", {"routingStrategy": 9}),
    ):
        wanted = {"name": "other", "tpsps": [2, 3], **body}
        for method, path in (("POST", POOLS), ("PUT", f"{POOLS}/{number}")):
            assert error(await desk.ask(method, path, wanted), 422)[0] == param
    for raw in (b"", b"[]", b"{", b'{"tpsps":{}}'):
        error(await desk.ask("POST", POOLS, raw), 422)
    assert await desk.store.read(list_pools) == before


async def test_a_name_is_given_once(desk: AccountDesk) -> None:
    """403, for a new pool and for one that is renamed; its own name is its own."""
    number = await made(desk)
    taken = await desk.ask("POST", POOLS, {"name": "main", "tpsps": [2]})
    assert error(taken, 403)[0] == "name"
    path = f"{POOLS}/{number}"
    assert error(await desk.ask("PUT", path, {"name": "sandbox"}), 403)[0] == "name"
    assert (await desk.ask("PUT", path, {"name": "main"})).status_code == 200


async def test_what_is_needed_stays(desk: AccountDesk) -> None:
    """403 for the default pool, and for one that another overflows into."""
    assert "default" in error(await desk.ask("DELETE", f"{POOLS}/1"), 403)[1]
    number = await made(desk)
    other = await made(desk, name="other", shouldOverflow=True, overflowPoolName="main")
    assert "other" in error(await desk.ask("DELETE", f"{POOLS}/{number}"), 403)[1]
    for one in (other, number):
        gone = await desk.ask("DELETE", f"{POOLS}/{one}")
        assert gone.status_code == 200
        assert sorted(gone.json()) == ["id", "message"]
        assert gone.json()["id"] == one
    for method in ("GET", "PUT", "DELETE"):
        error(await desk.ask(method, f"{POOLS}/{number}", {}), 404)


async def test_a_pool_in_which_mail_waits_stays(desk: AccountDesk) -> None:
    """403 says how much."""
    number = PoolId(await made(desk))
    await desk.store.write(_wait_in, number)
    assert "1 messages" in error(await desk.ask("DELETE", f"{POOLS}/{number}"), 403)[1]


async def test_pools_are_listed(desk: AccountDesk) -> None:
    """In the form of the contract, by parts."""
    await made(desk)
    for query, names in (("", ["sandbox", "main"]), ("?search=MAI", ["main"])):
        listed = (await desk.ask("GET", f"{POOLS}{query}")).json()
        assert [one["name"] for one in listed] == names
    error(await desk.ask("GET", f"{POOLS}?limit=no"), 400)


async def test_a_client_that_sends_no_key_is_told_so(desk: AccountDesk) -> None:
    """Spec 0.10: the vendor's client omits it here; authentication is never skipped."""
    for method in ("PUT", "DELETE"):
        error(await desk.ask(method, f"{POOLS}/1", {}, headers={}), 401)


def _wait_in(tx: Tx, pool: PoolId) -> None:
    tx.db.execute("PRAGMA defer_foreign_keys = ON")
    content = tx.db.execute("INSERT INTO content (data) VALUES (x'')").lastrowid
    tx.db.execute(
        "INSERT INTO message (id, uuid, sub_account, domain, content, pool, sender,"
        " subject, size_bytes, webhook_url, detail, accepted_ns)"
        " VALUES (1, zeroblob(16), 1, 1, ?, ?, '', '', 0, '', x'', 0)",
        (content, pool),
    )
    tx.db.execute(
        "INSERT INTO delivery (uuid, message, sub_account, domain, pool, role,"
        " recipient, recipient_domain, state, due_ns, created_ns)"
        " VALUES (zeroblob(16), 1, 1, 1, ?, 0, 'a@b.c', 'b.c', 0, 0, 0)",
        (pool,),
    )
