"""Takes due deliveries to their upstreams, and records how it went.

One pass (``run_once``) claims only as many deliveries as there is room for, in
number and in memory and for each provider, has them prepared in worker threads,
and puts them into the lane of their provider. A lane settles each exactly once;
many settlements share a commit (``flow/ledger.py``). A delivery that was in
flight when the process died is claimed again after the start, or in doubt if its
final dot may have left.

Stopping: ``drain`` ends the claiming; what is on the wire may end within the
drain time, the rest goes back to the queue untouched.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

import trio

from appliance import failpoint
from appliance.core.attempt import NewAttempt
from appliance.core.delivery import Copy, Settlement, State
from appliance.core.domain import Purpose
from appliance.core.event import About
from appliance.core.ids import ContentId, ProviderId
from appliance.core.retry import parse_retry_plan
from appliance.core.submission import AnyContent
from appliance.core.suppression import Mail, Stop, suppressed_text
from appliance.core.throttle import NO_LIMITS, Fare
from appliance.flow.attempts import attempt_of, not_reached
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.doorbell import Doorbell
from appliance.flow.health import Infirmary
from appliance.flow.lane import Job
from appliance.flow.lanes import Lanes, MakeLane
from appliance.flow.ledger import Ledger
from appliance.flow.limit_watch import LimitWatch
from appliance.flow.settle import (
    SECOND_NS,
    Policy,
    about,
    drop,
    postpone,
    settle,
    stumble,
)
from appliance.flow.workshop import (
    CHUNK,
    Made,
    Order,
    Stumbled,
    Unmakeable,
    Workshop,
)
from appliance.log import get
from appliance.smtp.outcome import Broken, Outcome, Rejected
from appliance.store import deliveries
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.doubt import Rescued, rescue
from appliance.store.due import Rounds
from appliance.store.errors import StoreUnavailable
from appliance.store.tokens import Classify, class_by_name

log = get("postroom.relay")

# Support and customers search for this sentence.
NO_RETURN_PATH = "No verified return path domain configured for sender domain"
NO_DOMAIN = "Sender domain is no longer configured"
NO_PROVIDER = "Waits for a provider: the one it was given to was removed"
NOTHING_RESCUED = Rescued(0, 0)
IDLE_SECONDS = 1.0  # another process may have queued mail
NO_PROVIDER_PAUSE_NS = 60 * SECOND_NS
MIN_CLAIM = 16  # no claims one by one behind a full house
# With so many in flight there is work for a moment: each settlement makes room and
# rings, and a claim for each commit of a few would cost a quarter of the CPU.
BUSY = 64
PACE_SECONDS = 0.025


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be in flight at a time, and how long a stop may take."""

    deliveries: int
    size_bytes: int
    drain_seconds: float


class Relay:
    """The loop that empties the queue."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        *,
        workshop: Workshop,
        make_lane: MakeLane,
        policy: Policy,
        bounds: Bounds,
        clock: Callable[[], int],
        classify: Classify = class_by_name,
    ) -> None:
        self._store = store
        self._directory = directory
        self._workshop = workshop
        self._policy = policy
        self._bounds = bounds
        self._clock = clock
        self._classify = classify
        self._rounds = Rounds()
        self._claims_again = 0.0  # not before, while busy
        self._waits = LimitWatch(store, directory, policy.limit_wait_seconds)
        self._bell = Doorbell()
        self._ledger = Ledger(store, self._bell.ring, self._fare_of)
        self._infirmary = Infirmary(
            store, policy.upstreams, lambda: directory.current.providers
        )
        self._lanes = Lanes(make_lane, self._on_outcome)
        self._draining = False
        self._nursery: trio.Nursery | None = None

    @property
    def in_flight(self) -> int:
        """How many deliveries are claimed and not yet settled."""
        return len(self._ledger)

    def ring(self) -> None:
        """Tell the relay that there may be something due."""
        self._bell.ring()

    def expect(self, contents: Mapping[ContentId, AnyContent]) -> None:
        """Tell the relay of new mail, whose contents it need not read again."""
        self._workshop.remember(contents)
        self._bell.ring()

    def drain(self) -> None:
        """Claim no more, and let ``run`` end."""
        self._draining = True
        self._bell.ring()

    async def run(self) -> None:
        """Works until drained."""
        await self._rescue()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            while not self._draining:
                await self._bell.wait(await self._pass())
            nursery.cancel_scope.deadline = (
                trio.current_time() + self._bounds.drain_seconds
            )
            self._lanes.close()
        await self._ledger.close(self._clock(), self._bounds.drain_seconds)

    async def _rescue(self) -> None:
        """Take back what was in flight when a process ended before."""
        wait_ns = int(self._policy.in_doubt_seconds * SECOND_NS)
        while not self._draining:
            try:
                await self._infirmary.load()
                rescued = await self._store.write(rescue, self._clock(), wait_ns)
            except StoreUnavailable as error:
                log.warning("relay.store_unavailable", error=error)
                await self._bell.wait(IDLE_SECONDS)
            else:
                if rescued != NOTHING_RESCUED:
                    log.info("relay.rescued", **asdict(rescued))
                return

    async def _pass(self) -> float:
        try:
            return await self.run_once(self._clock())
        except StoreUnavailable as error:
            log.warning("relay.store_unavailable", error=error)
            return IDLE_SECONDS

    async def run_once(self, now_ns: int) -> float:
        """One pass; returns the seconds until there may be work again.

        Raises:
            StoreUnavailable: nothing could be claimed.
        """
        self._ledger.record_again()
        await self._waits.look(now_ns, self._infirmary.restraints(now_ns))
        room = self._bounds.deliveries - len(self._ledger)
        memory = self._bounds.size_bytes - self._ledger.size_bytes
        if memory <= 0 or room < min(MIN_CLAIM, self._bounds.deliveries):
            return IDLE_SECONDS  # a settlement rings
        pause = self._claims_again - trio.current_time()
        if len(self._ledger) >= BUSY and pause > 0:
            return pause
        self._claims_again = trio.current_time() + PACE_SECONDS
        copies = await self._store.write(
            claim,
            now_ns,
            room,
            memory,
            most_each=self._most_each(),
            in_flight=self._ledger.in_flight,
            down=self._infirmary.restraints(now_ns),
            classify=self._classify,
            rounds=self._rounds,
        )
        if copies:
            failpoint.reach("claim.after_commit")
            await self._send_off(copies, now_ns)
        if copies or self._rounds.more:
            return 0
        return await self._idle_for(now_ns)

    async def _idle_for(self, now_ns: int) -> float:
        """Until when nothing changes by itself; a settlement rings."""
        moments = (
            await self._store.read(deliveries.next_due_ns, now_ns),
            self._rounds.wake_ns,
        )
        waits = [(at_ns - now_ns) / SECOND_NS for at_ns in moments if at_ns is not None]
        return max(0, min([IDLE_SECONDS, *waits]))

    def _most_each(self) -> int:
        """What one provider may have in flight: a slow one must not take all."""
        providers = len(self._directory.current.providers)
        return max(1, self._bounds.deliveries // max(2, providers))

    # --- from claimed to its lane ----------------------------------------------

    async def _send_off(self, copies: Sequence[Copy], now_ns: int) -> None:
        self._ledger.open(copies)
        providers = self._directory.current.providers
        if any(copy.provider not in providers for copy in copies):
            with suppress(StoreUnavailable):  # then they wait for their provider
                await self._directory.refresh()
        orders = [
            order for copy in copies if (order := self._order(copy, now_ns)) is not None
        ]
        assert self._nursery is not None
        for start in range(0, len(orders), CHUNK):
            self._nursery.start_soon(self._prepare, orders[start : start + CHUNK])

    def _order(self, copy: Copy, now_ns: int) -> Order | None:
        """What has to be made, or None if the delivery was settled instead."""
        domain = self._directory.current.domains_by_id.get(copy.domain)
        provider = self._directory.current.providers.get(copy.provider)
        mail = Mail(copy.dimensions.topic, domain.name if domain else "")
        why = self._directory.suppression(
            copy.sub_account, copy.recipient, now_ns, mail
        )
        if why is not None:  # since it was accepted, or tried last
            self._drop(copy, suppressed_text(copy.recipient, why), now_ns, why)
        elif domain is None:
            self._drop(copy, NO_DOMAIN, now_ns)
        elif not (host := domain.verified_host(Purpose.RETURN_PATH)):
            self._drop(copy, NO_RETURN_PATH, now_ns)
        elif provider is None:
            due_ns = now_ns + NO_PROVIDER_PAUSE_NS
            self._ledger.settle(
                Settlement(
                    copy.id, State.QUEUED, copy.attempts, due_ns, text=NO_PROVIDER
                )
            )
        else:
            return Order(copy, domain, host, self._about(copy, provider.name))
        return None

    async def _prepare(self, orders: Sequence[Order]) -> None:
        try:
            results = await self._workshop.make(orders)
        except StoreUnavailable as error:
            log.warning("relay.store_unavailable", error=error)
            for order in orders:
                self._put_back(order.copy)
            return
        failpoint.reach("prepare.done")
        for result in results:
            self._pass_on(result)

    def _pass_on(self, made: Made) -> None:
        now_ns = self._clock()
        match made:
            case Job(copy) if self._draining:  # its lane is closed already
                self._put_back(copy)
            case Job(copy):
                provider = self._directory.current.providers[copy.provider]
                assert self._nursery is not None
                self._lanes.put(provider, made, self._nursery)
            case Unmakeable(copy, reason):
                self._drop(copy, reason, now_ns)
            case Stumbled(order):
                policy = self._policy_of(order.copy.provider)
                self._ledger.settle(stumble(order.copy, order.about, policy, now_ns))

    def _about(self, copy: Copy, provider: str = "") -> About:
        return about(copy, self._directory.pool_name(copy.pool), provider)

    # --- settling ---------------------------------------------------------------

    def _on_outcome(self, job: Job, outcome: Outcome) -> None:
        now_ns = self._clock()
        attempt = attempt_of(job, outcome, now_ns)
        if attempt is not None:
            self._infirmary.hear(attempt, outcome)
        self._ledger.settle(self._settlement(job, outcome, attempt, now_ns))

    def _settlement(
        self, job: Job, outcome: Outcome, attempt: NewAttempt | None, now_ns: int
    ) -> Settlement:
        """What follows for the mail."""
        provider = job.copy.provider
        if isinstance(outcome, Rejected | Broken) and not_reached(outcome):
            due_ns, waits_for = self._infirmary.again(provider, now_ns)
            return postpone(job.copy, outcome, due_ns, waits_for, attempt)
        policy = self._policy_of(provider)
        return settle(job.copy, outcome, job.about, policy, now_ns, attempt=attempt)

    def _policy_of(self, provider_id: ProviderId) -> Policy:
        plan = self._lanes.retry_plan(provider_id)
        if not plan:
            return self._policy
        return replace(self._policy, plan=parse_retry_plan(plan))

    def _fare_of(self, copy: Copy) -> Fare | None:
        """What a delivery took of its provider's limits."""
        provider = self._directory.current.providers.get(copy.provider)
        if provider is None or provider.limits == NO_LIMITS:
            return None
        domain = copy.recipient.domain
        return Fare(copy.provider, self._classify(domain), domain)

    def _put_back(self, copy: Copy) -> None:
        now_ns = self._clock()
        self._ledger.settle(Settlement(copy.id, State.QUEUED, copy.attempts, now_ns))

    def _drop(
        self, copy: Copy, reason: str, now_ns: int, stop: Stop | None = None
    ) -> None:
        what = self._about(copy)
        self._ledger.settle(drop(copy, reason, what, now_ns, stop))
