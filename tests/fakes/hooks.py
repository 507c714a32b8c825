"""A house with events, and endpoints that are told of them; time is ours."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from appliance.core.credential import read_network
from appliance.core.event import About, EventType, NewEvent, Scalar
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.message import NewMessage, Request
from appliance.core.retry import RetryPlan
from appliance.core.webhook import Endpoint, NewEndpoint, WebhookId
from appliance.dialects.webhooks import webhooks_of
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.feed import Feed
from appliance.flow.webhook_post import Habits
from appliance.flow.webhooks import Webhooks
from appliance.store.database import Store
from appliance.store.events import last_number
from appliance.store.messages import accept
from appliance.store.transaction import Tx
from appliance.store.webhooks import add_endpoint, get_endpoint
from tests.fakes.certificates import Authority
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed

SECRET = "whsec_testsecret"
SECOND_NS = 1_000_000_000


@dataclass
class Hooks:
    """The house; ``now_ns`` is its clock."""

    store: Store
    seeded: Seeded
    directory: DirectoryKeeper
    feed: Feed
    webhooks: Webhooks
    tls: ssl.SSLContext
    now_ns: int = NOW_NS

    async def add(
        self, url: str, dialect: str = "sendpost", **words: object
    ) -> Endpoint:
        """An endpoint that wants everything unless told else."""
        new = NewEndpoint(
            self.seeded.sub_account.account,
            None,
            dialect,
            url,
            frozenset(webhooks_of(dialect).words),
        )
        made = await self.store.write(
            add_endpoint,
            replace(new, **words),  # type: ignore[arg-type]
            SECRET,
        )
        assert made is not None
        await self.directory.refresh()
        return made

    async def endpoint(self, id_: WebhookId) -> Endpoint:
        """The endpoint as it is stored now."""
        found = await self.store.read(get_endpoint, id_)
        assert found is not None
        return found

    async def tell(
        self,
        *types: EventType,
        data: dict[str, Scalar] | None = None,
        sub_account: SubAccountId | None = None,
        delivery: UUID | None = None,
        recipient: str = "bob@other.example",
    ) -> None:
        """Events that happen now, about no mail that is known unless one is named."""
        about = About(
            sub_account or self.seeded.sub_account.id,
            delivery or uuid7(),
            delivery or uuid7(),
            "news@sender.example",
            recipient,
            "main",
            "upstream",
        )
        events = [NewEvent(one, self.now_ns, about, data or {}) for one in types]
        await self.store.write(_emit, events)

    async def accept(self, message: NewMessage) -> None:
        """A message that was taken in: one processed event for each recipient."""
        await self.store.write_each(accept, Request((message,)))
        await self.directory.refresh()

    def tick(self) -> int:
        """The time, which moves on whenever somebody looks."""
        self.now_ns += 1_000
        return self.now_ns

    async def go(self, seconds: float = 0.0) -> float:
        """So many seconds later, passes until nothing is due at once."""
        self.now_ns += int(seconds * SECOND_NS)
        pause = 0.0
        for _ in range(50):
            pause = await self.webhooks.run_once(self.now_ns)
            if pause:
                return pause
            self.now_ns += 1
        return pause


@asynccontextmanager
async def open_hooks(folder: Path, **wishes: object) -> AsyncIterator[Hooks]:
    """The house over a real store; endpoints on this machine are allowed."""
    authority = Authority(folder)
    network = read_network("127.0.0.0/8")
    assert network is not None
    habits = Habits(
        timeout_s=5.0,
        long_plan=RetryPlan((21_600,)),
        allowed=(network,),
        ca_file=str(authority.ca_file),
    )
    habits = replace(habits, **wishes)  # type: ignore[arg-type]
    async with open_temp_store(folder) as store:
        seeded = await seed(store)
        directory = await DirectoryKeeper.load(store)
        feed = Feed(store, await store.read(last_number))
        store.on_commit(feed.publish)
        tls = authority.server_context("localhost")
        hooks: Hooks
        webhooks = Webhooks(store, directory, feed, habits, lambda: hooks.tick())  # noqa: PLW0108 - it is made below
        hooks = Hooks(store, seeded, directory, feed, webhooks, tls)
        try:
            yield hooks
        finally:
            await webhooks.aclose()


def _emit(tx: Tx, events: list[NewEvent]) -> None:
    for event in events:
        tx.emit(event)
