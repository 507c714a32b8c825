"""A whole server in the test's own trio process, and an HTTP client for it.

Real data folder, real SQLite, real sockets on loopback. What is looked at from
inside is its store: what it committed, and how it behaves on a full disk.
"""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trio

from appliance import serve
from appliance.core.credential import (
    Credential,
    Network,
    Scope,
    SubAccount,
    hash_key,
    hint_of,
)
from appliance.core.domain import Proof, Purpose, Record
from appliance.core.event import Event, EventFilter, EventType
from appliance.core.ids import SubAccountId
from appliance.core.pool import by_shares
from appliance.core.provider import Security
from appliance.flow.setup import DataFolder, Initialised, initialise, open_data
from appliance.serve import Addresses, run_server
from appliance.settings import Settings, load_settings
from appliance.store.accounts import create_account
from appliance.store.credentials import NewCredential, add_credential
from appliance.store.database import Store
from appliance.store.domains import add_domain
from appliance.store.events import list_events
from appliance.store.pools import add_pool, set_default_pool
from appliance.store.providers import NewProvider, add_provider
from appliance.store.transaction import Tx, View
from tests.fakes.keys import dkim_key
from tests.fakes.mould import Mould
from tests.fakes.postroom import DOORS

DOMAIN = "shop.example"
SEND = "/api/v1/subaccount/email/"
NOW_NS = 1_700_000_000_000_000_000
SOON = 20.0  # seconds after which a test has failed
# For a client in clear: the usual context loads all issuers, 40 ms each time.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Prepare = Callable[[Tx, SubAccount], None]


@dataclass(frozen=True, slots=True)
class Premises:
    """A data folder that a server can be started on, and what `init` made."""

    folder: DataFolder
    made: Initialised


class House:
    """A running server; ``closing`` is what a signal sets."""

    def __init__(
        self,
        premises: Premises,
        addresses: Addresses,
        store: Store,
        closing: trio.Event,
        *,
        http: httpx.AsyncClient,
    ) -> None:
        self.folder = premises.folder
        self.made = premises.made
        self.addresses = addresses
        self.store = store
        self.closing = closing
        self.http = http
        self._committed: list[Event] = []
        self._news = trio.Event()
        store.on_commit(self._hear)

    @property
    def key(self) -> str:
        """The sub-account's key."""
        return self.made.keys["subAccountKey"]

    @property
    def sub_account(self) -> SubAccountId:
        """The first sub-account."""
        return self.made.sub_account.id

    @property
    def login(self) -> httpx.BasicAuth:
        """The dashboard's user."""
        return httpx.BasicAuth(self.made.user, self.made.password)

    async def send(
        self,
        body: Mapping[str, object] | bytes | None = None,
        *,
        path: str = SEND,
        key: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to one send request, with the first key unless told else."""
        raw = body if isinstance(body, bytes) else json.dumps(body or mail()).encode()
        named = {"X-SubAccount-ApiKey": key or self.key, **(headers or {})}
        return await self.http.post(path, content=raw, headers=named)

    async def sent(self, **fields: object) -> str:
        """The id of a mail that was posted and has left."""
        answer = await self.send(mail(**fields))
        (result,) = answer.json()
        assert result["errorCode"] == 0, result
        await self.heard(EventType.SENT, result["messageId"])
        return str(result["messageId"])

    async def events(self, message: str = "") -> list[Event]:
        """The log, as it is on disk."""
        found = await self.store.read(list_events, EventFilter(), limit=10_000)
        return [one for one in found if message in ("", str(one.about.message))]

    async def heard(self, kind: EventType, message: str = "") -> Event:
        """The first such event, waited for."""
        with trio.fail_after(SOON):
            while True:
                for event in self._committed:
                    if event.type is kind and message in (
                        "",
                        str(event.about.message),
                    ):
                        return event
                await self._news.wait()

    def outside(self) -> AbstractAsyncContextManager[Store]:
        """The same database as another process has it."""
        return open_data(self.folder)

    async def limit_pages(self, spare: int) -> None:
        """Let the file grow by ``spare`` pages and no more: a real SQLITE_FULL."""
        await limit_pages(self.store, spare)

    def _hear(self, events: tuple[Event, ...]) -> None:
        self._committed += events
        self._news.set()
        self._news = trio.Event()


async def furnish(root: Path, prepare: Prepare | None = None) -> Premises:
    """A data folder with a domain that may send, to the capture provider.

    ``prepare`` adds what a test needs on top, in a transaction.
    """
    folder = DataFolder(root / "data")
    if _first:
        mould, made = _first[0]
        mould.cast(folder.root)
    else:
        made = await _build(folder)
        _first.append((Mould(folder.root), made))
    if prepare is not None:
        async with open_data(folder) as store:
            await store.write(prepare, made.sub_account)
    return Premises(folder, made)


# Of this process: the ones after it have the same keys and the same password.
_first: list[tuple[Mould, Initialised]] = []


async def _build(folder: DataFolder) -> Initialised:
    made = await initialise(folder, NOW_NS)
    assert made is not None
    async with open_data(folder) as store:
        await store.write(add_sender_domain, made.sub_account.id)
    return made


@asynccontextmanager
async def running(premises: Premises, *overrides: str) -> AsyncIterator[House]:
    """A server for the time of the block; it must end in order behind it."""
    settings = settings_of(premises.folder, *overrides)
    stores: list[Store] = []

    @asynccontextmanager
    async def remembered(folder: DataFolder) -> AsyncIterator[Store]:
        async with open_data(folder) as store:
            stores.append(store)
            yield store

    closing = trio.Event()
    with pytest.MonkeyPatch.context() as peephole, trio.fail_after(2 * SOON):
        peephole.setattr(serve, "open_data", remembered)
        async with trio.open_nursery() as nursery:

            async def serving(task_status: trio.TaskStatus[Addresses]) -> None:
                await run_server(premises.folder, settings, closing, task_status)

            addresses: Addresses = await nursery.start(serving)
            async with httpx.AsyncClient(
                base_url=addresses.http_url,
                timeout=SOON,
                trust_env=False,
                verify=NO_TLS,
            ) as http:
                yield House(premises, addresses, stores[0], closing, http=http)
            closing.set()


@asynccontextmanager
async def open_house(
    root: Path, *overrides: str, prepare: Prepare | None = None
) -> AsyncIterator[House]:
    """A running server over a fresh data folder."""
    async with running(await furnish(root, prepare), *overrides) as house:
        yield house


def settings_of(folder: DataFolder, *overrides: str) -> Settings:
    """The settings of a test's server: free ports, no one else's environment."""
    ours = (
        *(f"{door}={bind}" for door, bind in DOORS.items()),
        "relay.drain_timeout=10s",
    )
    return load_settings(folder.root, (*ours, *overrides), {})


def mail(**fields: object) -> dict[str, object]:
    """A send request's body; ``None`` leaves a field out, ``sender`` is ``from``."""
    body: dict[str, object] = {
        "sender": {"email": f"orders@{DOMAIN}", "name": "The Shop"},
        "to": [{"email": "bob@rcpt.example", "name": "Bob"}],
        "subject": "Your order",
        "textBody": "It has shipped.",
        **fields,
    }
    body["from"] = body.pop("sender")
    return {name: value for name, value in body.items() if value is not None}


def add_sender_domain(
    tx: Tx,
    sub_account: SubAccountId,
    *,
    name: str = DOMAIN,
    proof: Proof = Proof.OPERATOR,
) -> None:
    """A sender domain, trusted unless ``proof`` says else."""
    records = [
        Record(Purpose.DKIM, f"pr1._domainkey.{name}", "TXT", "v=DKIM1", proof),
        Record(Purpose.RETURN_PATH, f"bounce.{name}", "CNAME", "mx.example", proof),
    ]
    keys = [dkim_key()]
    assert add_domain(tx, sub_account, name, keys=keys, records=records, now_ns=NOW_NS)


def add_key(
    tx: Tx,
    owner: SubAccount,
    key: str,
    *,
    dialect: str = "sendpost",
    scope: Scope = Scope.FULL,
    allowed: frozenset[str] = frozenset(),
    whole_account: bool = False,
    username: str = "",
    networks: tuple[Network, ...] = (),
) -> Credential:
    """A further key, with a text of the test's choice."""
    new = NewCredential(
        account=owner.account,
        sub_account=None if whole_account else owner.id,
        dialect=dialect,
        scope=scope,
        name="test",
        hash=hash_key(key),
        hint=hint_of(key),
        created_ns=NOW_NS,
        allowed_domains=allowed,
        username=username,
        allowed_networks=networks,
    )
    made = add_credential(tx, new)
    assert made is not None
    return made


def add_tenant(tx: Tx, name: str) -> SubAccount:
    """A sub-account of somebody else."""
    other = create_account(tx, name, name, "scrypt$hash", NOW_NS)
    assert other is not None
    return other


def lead_to(tx: Tx, port: int) -> None:
    """Send by default through the server at that port of this machine."""
    new = NewProvider("up", host="127.0.0.1", port=port, security=Security.NONE)
    provider = add_provider(tx, new)
    assert provider is not None
    pool = add_pool(tx, by_shares("up", [(provider.id, 100)]))
    assert not isinstance(pool, str)
    set_default_pool(tx, pool.id)


async def limit_pages(store: Store, spare: int) -> None:
    """Let the file grow by ``spare`` pages and no more: a real SQLITE_FULL."""
    pages = await store.read(_page_count) + spare
    writing = store._writer._connection
    await writing.execute_fetchall(f"PRAGMA max_page_count = {pages}")


def _page_count(view: View) -> int:
    return int(view.db.execute("PRAGMA page_count").fetchone()[0])
