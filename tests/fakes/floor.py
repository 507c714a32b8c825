"""A relay over a real store and a fake upstream, with a clock of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio
import trio.testing

from appliance.core.delivery import State
from appliance.core.event import Event, EventType
from appliance.core.message import Request
from appliance.core.retry import RetryPlan
from appliance.core.token import TokenMaker
from appliance.dialects.sendpost import paths
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.prepare import Links
from appliance.flow.relay import Bounds, Relay
from appliance.flow.settle import Policy
from appliance.flow.upstreams import LaneMaker, Manners
from appliance.flow.workshop import Workshop
from appliance.net.upstream import Timeouts
from appliance.store.database import Store
from appliance.store.messages import DeliveryStatus, accept, list_recent
from tests.fakes.store import Seeded, open_temp_store, seed
from tests.fakes.upstream import FakeUpstream, Script

START_NS = 1_700_000_000_000_000_000


@dataclass
class Floor:
    """A relay over a real store and a fake upstream, with a clock of its own."""

    store: Store
    seeded: Seeded
    directory: DirectoryKeeper
    relay: Relay
    upstream: FakeUpstream
    now_ns: int = START_NS
    told: list[Event] = field(default_factory=list)

    async def send(self, *to: str) -> None:
        """Accept a mail to each."""
        for one in to:
            message = self.seeded.message(one, accepted_ns=self.now_ns)
            await self.store.write_each(accept, Request((message,)))
        self.relay.ring()

    async def until(self, met: Callable[[], Awaitable[bool]]) -> None:
        """Returns once it is so."""
        with trio.fail_after(10):
            while not await met():
                await trio.testing.wait_all_tasks_blocked(0.005)

    async def until_events(self, kind: EventType, number: int) -> list[Event]:
        """The events of a kind, once there are so many."""

        async def there() -> bool:
            return len(self.of(kind)) >= number

        await self.until(there)
        return self.of(kind)

    async def until_connections(self, number: int) -> None:
        """Returns once the upstream has had so many connections."""

        async def there() -> bool:
            await trio.lowlevel.checkpoint()
            return len(self.upstream.commands) >= number

        await self.until(there)

    def of(self, kind: EventType) -> list[Event]:
        """The events of a kind so far."""
        return [one for one in self.told if one.type is kind]


@asynccontextmanager
async def floor(
    folder: Path,
    *scripts: Script,
    plan: tuple[int, ...] = (60, 120),
    most: int = 100,
    run: bool = True,
    drain_seconds: float = 10,
    verified: bool = True,
    tick_ns: int = 0,
    limit_wait: float = 259_200,
) -> AsyncIterator[Floor]:
    """A relay that runs until the block ends; then it must drain.

    Its clock stands still, or goes on by ``tick_ns`` each time somebody looks.
    """
    upstream = FakeUpstream(*scripts)
    async with trio.open_nursery() as servers, open_temp_store(folder) as store:
        port = await upstream.start(servers)
        seeded = await seed(store, port=port, verified=verified)
        directory = await DirectoryKeeper.load(store)
        tokens = TokenMaker(b"t" * 32)
        made: Floor

        def clock() -> int:
            made.now_ns += tick_ns
            return made.now_ns

        workshop = Workshop(
            store,
            Links(tokens, paths.TRACKING),
            lambda copy: (("X-Trace", str(copy.uuid)),),
            clock,
            threads=2,
        )
        workshop.public_url = "http://postroom.test"
        relay = Relay(
            store,
            directory,
            workshop=workshop,
            make_lane=LaneMaker(store, Manners("us.test", 60, Timeouts()), clock),
            policy=Policy(RetryPlan(plan), limit_wait_seconds=limit_wait),
            bounds=Bounds(most, 1 << 24, drain_seconds),
            clock=clock,
        )
        made = Floor(store, seeded, directory, relay, upstream)
        store.on_commit(made.told.extend)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                if run:
                    nursery.start_soon(relay.run)
                yield made
                relay.drain()
        servers.cancel_scope.cancel()


async def waiting(made: Floor, attempts: int) -> list[DeliveryStatus]:
    """The newest delivery, once all wait and have had so many tries."""

    async def there() -> bool:
        found = await made.store.read(list_recent, 9)
        return all(
            one.state is State.QUEUED and one.attempts == attempts for one in found
        )

    await made.until(there)
    return await made.store.read(list_recent, 1)
