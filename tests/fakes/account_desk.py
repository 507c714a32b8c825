"""The calls of an account's key over a real store, without a server around them."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import trio

from appliance.core.address import Address
from appliance.core.credential import Scope
from appliance.dialects.sendpost.contract import Contract
from appliance.edge.http.account import AccountDoor, Request
from appliance.edge.http.pools import PoolCalls
from appliance.edge.http.providers import ProviderCalls
from appliance.edge.http.webhooks import WebhookCalls
from appliance.edge.keys import KeyRing
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.provider_desk import ProviderDesk
from appliance.flow.provider_words import Habits, defaults_of
from appliance.flow.webhook_post import Habits as WebhookHabits
from appliance.settings import Settings
from appliance.store.accounts import create_account
from appliance.store.database import Store
from appliance.store.pools import ensure_sandbox
from appliance.store.transaction import Tx
from tests.fakes.house import add_key
from tests.fakes.store import NOW_NS, open_temp_store
from tests.fakes.upstream import FakeUpstream, Script

PROVIDERS = "/api/v1/account/tpsp"
POOLS = "/api/v1/account/ippool"
KEY = "account-key"
HABITS = Habits("house.example", Address("postmaster", "house.example"))


class AccountDesk:
    """A door with an account's key, and upstreams beside it."""

    def __init__(self, store: Store, door: AccountDoor, nursery: trio.Nursery) -> None:
        self.store = store
        self.door = door
        self._nursery = nursery

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a call, with the account's key unless told else."""
        named = {"X-Account-ApiKey": KEY} if headers is None else headers
        path, _, query = path.partition("?")
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        lower = [(k.lower().encode(), v.encode()) for k, v in named.items()]
        request = Request(method, path, query.encode(), lower, raw)
        answer = await self.door.answer(request)
        return httpx.Response(
            answer.status, headers=[*answer.headers], content=answer.body
        )

    async def upstream(
        self, *scripts: Script
    ) -> tuple[FakeUpstream, dict[str, object]]:
        """A server, and the settings that lead to it."""
        fake = FakeUpstream(*scripts)
        port = await fake.start(self._nursery)
        where = {"host": "127.0.0.1", "port": port, "security": "none"}
        return fake, {"name": "post", **where}

    async def add(self, name: str = "post", **fields: object) -> dict[str, object]:
        """A provider that was made."""
        _, where = await self.upstream()
        body = {**where, "name": name, **fields}
        answer = await self.ask("POST", PROVIDERS, body)
        assert answer.status_code == 201, answer.text
        made: dict[str, object] = answer.json()
        return made


@asynccontextmanager
async def open_account_desk(folder: Path) -> AsyncIterator[AccountDesk]:
    """A store with an account, its keys, and the sandbox that every house has."""
    async with open_temp_store(folder) as store, trio.open_nursery() as nursery:
        await store.write(_furnish)
        directory = await DirectoryKeeper.load(store)
        tell = directory.catch_up
        desk = ProviderDesk(store, HABITS, time.time_ns, tell)
        providers = ProviderCalls(store, desk, defaults_of(Settings())).calls()
        pools = PoolCalls(store, tell).calls()
        keys = KeyRing(directory, "operator")
        webhooks = WebhookCalls(store, WebhookHabits(), tell).calls()
        door = AccountDoor(keys, Contract.V1, providers, pools, webhooks)
        yield AccountDesk(store, door, nursery)
        nursery.cancel_scope.cancel()


def _furnish(tx: Tx) -> None:
    ours = create_account(tx, "acme", "admin", "scrypt$hash", NOW_NS)
    assert ours is not None
    add_key(tx, ours, KEY, whole_account=True)
    add_key(tx, ours, "send-only", whole_account=True, scope=Scope.SEND_ONLY)
    add_key(tx, ours, "sub-account-key")
    ensure_sandbox(tx)


def error(answer: httpx.Response, status: int) -> tuple[str, str]:
    """The parameter at fault and what is said of it."""
    assert answer.status_code == status, answer.text
    found = answer.json()["error"]
    return str(found.get("param", "")), str(found["message"])
