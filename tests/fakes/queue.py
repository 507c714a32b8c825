"""A queue with tenants, providers and pools, and one that claims from it."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from appliance.core.breaker import Restraint
from appliance.core.delivery import Copy
from appliance.core.ids import ProviderId, SubAccountId, uuid7
from appliance.core.in_flight import InFlight
from appliance.core.message import NewMessage, Request
from appliance.core.pool import NewPool, Pool, by_shares
from appliance.core.provider import Provider
from appliance.core.throttle import NO_LIMITS, Fare, Limits
from appliance.store.accounts import create_account
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import settle
from appliance.store.due import Rounds
from appliance.store.messages import accept
from appliance.store.pools import add_pool
from appliance.store.providers import NewProvider, add_provider
from appliance.store.rows import Value
from appliance.store.tokens import class_by_name
from appliance.store.transaction import Tx, View
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed, sent

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
PLENTY = 1 << 40


@dataclass
class Queue:
    """The queue of a store, and what its one relay has in flight."""

    store: Store
    seeded: Seeded
    tenants: list[SubAccountId]
    now_ns: int = NOW_NS
    rounds: Rounds = field(default_factory=Rounds)
    flying: list[Copy] = field(default_factory=list)
    down: dict[ProviderId, Restraint] = field(default_factory=dict)

    async def put(
        self,
        number: int,
        *,
        to: str = "rcpt@other.example",
        tenant: int = 0,
        pool: Pool | None = None,
    ) -> None:
        """Take so many mails in."""
        seeded = self.seeded if pool is None else replace(self.seeded, pool=pool)
        message = seeded.message(to, accepted_ns=self.now_ns)
        message = replace(message, sub_account=self.tenants[tenant])
        for start in range(0, number, 500):
            copies = (_again(message) for _ in range(min(500, number - start)))
            await self.store.write_each(accept, Request(tuple(copies)))

    async def claim(
        self,
        limit: int = 100,
        *,
        byte_limit: int = PLENTY,
        most_each: int = 1_000_000,
    ) -> list[Copy]:
        """What a claim takes; it is in flight from now on."""
        in_flight = InFlight(
            Counter((one.provider, one.sub_account) for one in self.flying),
            fares=Counter(map(_fare, self.flying)),
        )
        copies = await self.store.write(
            claim,
            self.now_ns,
            limit,
            byte_limit,
            most_each=most_each,
            in_flight=in_flight,
            down=self.down,
            rounds=self.rounds,
        )
        self.flying += copies
        return copies

    async def claim_all(self, limit: int = 100) -> list[Copy]:
        """What a relay takes that goes on until there is nothing left to find."""
        copies: list[Copy] = []
        while (more := await self.claim(limit)) or self.rounds.more:
            copies += more
        return copies

    async def send(self, copies: Sequence[Copy]) -> None:
        """The upstream took these."""
        for copy in copies:
            assert await self.store.write_each(settle, sent(copy))
            self.flying.remove(copy)

    async def provider(self, name: str, limits: Limits = NO_LIMITS) -> Provider:
        """Another provider."""
        new = NewProvider(name, host=name, limits=limits)
        made = await self.store.write(add_provider, new)
        assert made is not None
        return made

    async def pool(self, new: NewPool) -> Pool:
        """Another pool."""
        made = await self.store.write(add_pool, new)
        assert isinstance(made, Pool), made
        return made

    async def limited(self, limits: Limits, name: str = "post") -> Pool:
        """A pool with one provider that has limits."""
        provider = await self.provider(name, limits)
        return await self.pool(by_shares(f"to {name}", [(provider.id, 100)]))

    async def column(self, name: str) -> list[Value]:
        """That column of all deliveries, in the order in which they came."""

        def ask(view: View) -> list[Value]:
            rows = view.db.execute(f"SELECT {name} FROM delivery ORDER BY id")  # noqa: S608 - a test's own text
            return [value for (value,) in rows]

        return await self.store.read(ask)


def _again(message: NewMessage) -> NewMessage:
    """The same mail as another one."""
    (delivery,) = message.deliveries
    return replace(message, deliveries=(replace(delivery, uuid=uuid7()),))


@asynccontextmanager
async def open_queue(folder: Path, tenants: int = 1) -> AsyncIterator[Queue]:
    """A queue with so many sub-accounts; opening it again gives the same rows."""

    def more(tx: Tx) -> list[SubAccountId]:
        made = (
            create_account(tx, f"acme {number}", f"admin {number}", "hash", NOW_NS)
            for number in range(1, tenants)
        )
        return [one.id for one in made if one is not None]

    async with open_temp_store(folder) as store:
        seeded = await seed(store)
        others = await store.write(more)
        yield Queue(store, seeded, [seeded.sub_account.id, *others])


def share_of(copies: Sequence[Copy], names: Mapping[ProviderId, str]) -> dict[str, int]:
    """How many each provider got."""
    return dict(Counter(names[one.provider] for one in copies))


@asynccontextmanager
async def open_again(folder: Path, queue: Queue) -> AsyncIterator[Queue]:
    """The same queue in another process: with its rows and no memory of it."""
    async with open_temp_store(folder) as store:
        yield Queue(store, queue.seeded, queue.tenants)


def _fare(copy: Copy) -> Fare:
    domain = copy.recipient.domain
    return Fare(copy.provider, class_by_name(domain), domain)
