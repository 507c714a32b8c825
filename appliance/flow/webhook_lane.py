"""One endpoint: what waits for it, and what is new behind its cursor.

A pass takes what is due and the next page of the log, posts both, a few at a time, and
writes down in one transaction what was taken, what waits, and how far the cursor got.
If the endpoint fails, it is left alone but for one trial now and then: the cursor
stands still, the log is the queue, and nobody else notices. Parcels that failed wait
apart, so the order of first tries is that of the log and no more is promised; none of
the dialects documents more. An endpoint with one request at a time is told in order.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import trio

from appliance.core.ids import EventNumber
from appliance.core.webhook import (
    Endpoint,
    Fact,
    Manners,
    Parcel,
    Response,
)
from appliance.dialects.webhooks import webhooks_of
from appliance.flow.doorbell import Doorbell
from appliance.flow.pace import Pace
from appliance.flow.webhook_pages import PAGE, Pages, sort
from appliance.flow.webhook_patient import IDLE_SECONDS, Patient
from appliance.flow.webhook_post import (
    SECOND_NS,
    Habits,
    Job,
    make_client,
    parcels,
    post,
    trial,
)
from appliance.log import get
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.transaction import Tx
from appliance.store.webhook_facts import load_page
from appliance.store.webhook_tries import Again, Pass, Replay, Try, Work, find_work

log = get("postroom.webhooks")

DUE_AT_A_TIME = 64
DISK_SECONDS = 5.0
DRIFT = 1_000  # numbers that a cursor may be behind on disk while there is nothing
NO_WORK = Work((), 0, None, None)
Record = Callable[[Tx, Sequence[Pass]], Sequence[bool]]


@dataclass(frozen=True, slots=True)
class Means:
    """What all endpoints share."""

    store: Store
    pages: Pages
    habits: Habits
    pace: Pace
    record: Record
    clock: Callable[[], int]


class Lane:
    """The way to one endpoint."""

    def __init__(self, endpoint: Endpoint, means: Means) -> None:
        self.endpoint = endpoint
        self._means = means
        self._bell = Doorbell()
        self._manners: Manners = webhooks_of(endpoint.dialect).manners
        most = means.habits.at_a_time
        self._at_a_time = min(self._manners.at_a_time or most, most)
        self._client = make_client(means.habits)
        self._plan = means.habits.plan_of(self._manners.plan)
        self._patient = Patient(endpoint, self._manners)
        self._after = int(endpoint.after)
        self._look = True  # whether rows have to be read to know what waits
        self._next_ns: int | None = None
        self._crowded = False

    def ring(self) -> None:
        """There may be news."""
        self._bell.ring()

    def adopt(self, endpoint: Endpoint) -> None:
        """Go on with what the endpoint's owner made of it."""
        self.endpoint = endpoint
        self._patient.adopt(endpoint)
        self._after = max(self._after, int(endpoint.after))
        self._look = True
        self.ring()

    async def run(self) -> None:
        """Tells the endpoint of events for as long as it is there."""
        try:
            while True:
                try:
                    pause = await self.run_once(self._means.clock())
                except StoreUnavailable as error:
                    log.warning("webhook.store_unavailable", error=error)
                    pause = DISK_SECONDS
                await self._bell.wait(at_most=pause)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            await self._client.aclose()

    async def run_once(self, now_ns: int) -> float:
        """One pass; returns the seconds until there is work without news.

        Raises:
            StoreUnavailable: nothing was written down; it will be told again.
        """
        if rest := self._patient.rest(now_ns):
            return rest
        if self._patient.given_up:
            return await self._probe(now_ns)
        return await self._work(now_ns)

    async def _work(self, now_ns: int) -> float:
        work = await self._find(now_ns)
        result = self._patient.begin(self._after)
        due = [Job(one.parcel, waited=one) for one in work.due]
        fresh, upto, linger = await self._news(result, now_ns)
        again, got_to = await self._replayed(work.replay)
        left = await self._deliver(deque([*due, *fresh, *again]), result)
        new_left = [job for job in left if job.waited is None and not job.replayed]
        result.after = EventNumber(new_left[0].before if new_left else upto)
        replayed = False
        if work.replay is not None:
            waits = [job for job in left if job.replayed]
            place = waits[0].before if waits else got_to
            result.replay = (work.replay.id, place)
            replayed = place > work.replay.after
        moved = int(result.after) != self._after
        await self._write(result)
        self._look = self._look or replayed
        if moved or replayed or len(work.due) == DUE_AT_A_TIME:
            return 0.0
        return min(linger, self._pause(self._means.clock()))

    async def _find(self, now_ns: int) -> Work:
        """What waits; the disk is not asked while it is known that nothing does."""
        if not self._look and (self._next_ns is None or now_ns < self._next_ns):
            return NO_WORK
        work = await self._means.store.read(
            find_work, self.endpoint.id, now_ns, DUE_AT_A_TIME
        )
        self._next_ns, self._look = work.next_ns, bool(work.due)
        batches = max(1, PAGE // self._manners.batch)
        most = self._means.habits.max_waiting - batches
        self._crowded = work.waiting >= max(1, most)
        return work

    async def _news(self, result: Pass, now_ns: int) -> tuple[list[Job], int, float]:
        """New parcels, the number that they end at, and how long to gather more."""
        if self._crowded:
            return [], self._after, IDLE_SECONDS
        found = await self._means.pages.read(self._after)
        if oldest := found.page.oldest:  # 0: there are none
            self._patient.count_missed(oldest - self._after - 1, result, now_ns)
        facts = found.for_endpoint(self.endpoint)
        jobs = _jobs(await parcels(self.endpoint, facts), self._after)
        all_read = len(found.page.facts) < PAGE
        left = self._to_gather(jobs, facts, now_ns) if all_read else 0.0
        if left > 0:
            return jobs[:-1], jobs[-1].before, left
        return jobs, int(found.page.last), IDLE_SECONDS

    def _to_gather(
        self, jobs: Sequence[Job], facts: Sequence[Fact], now_ns: int
    ) -> float:
        """Seconds for which the last parcel may still grow."""
        manners = self._manners
        if not (jobs and manners.linger_s):
            return 0.0
        numbers = jobs[-1].parcel.numbers
        if len(numbers) == manners.batch:
            return 0.0
        at_ns = next(one.event.at_ns for one in facts if one.event.number == numbers[0])
        left = manners.linger_s - (now_ns - at_ns) / SECOND_NS
        return left if left <= manners.linger_s else 0.0

    async def _replayed(self, wish: Replay | None) -> tuple[list[Job], int]:
        """The next parcels of a replay, and the number that they end at."""
        if wish is None or self._crowded:
            return [], 0 if wish is None else wish.after
        page = await self._means.store.read(load_page, wish.after, PAGE, wish.upto)
        facts = sort(page).for_endpoint(self.endpoint)
        new = await parcels(self.endpoint, facts, everything=wish.everything)
        end = wish.upto if not page.facts else int(page.last)
        jobs = [replace(job, replayed=True) for job in _jobs(new, wish.after)]
        return jobs, end

    async def _deliver(self, jobs: deque[Job], result: Pass) -> deque[Job]:
        """Post, a few at a time, until all are or the endpoint is not well; the rest.

        One that is on trial is given one parcel first.
        """
        if jobs and self._patient.is_on_trial(self._means.clock()):
            await self._post(jobs.popleft(), result)
        async with trio.open_nursery() as nursery:
            for _ in range(min(self._at_a_time, len(jobs))):
                nursery.start_soon(self._work_off, jobs, result)
        return jobs

    async def _work_off(self, jobs: deque[Job], result: Pass) -> None:
        while jobs and self._patient.is_up(self._means.clock()):
            await self._post(jobs.popleft(), result)

    async def _post(self, job: Job, result: Pass) -> None:
        means = self._means
        await means.pace.wait()
        began_ns = means.clock()
        request, response = await post(
            self._client,
            self.endpoint,
            job.parcel,
            attempt=job.attempt,
            habits=means.habits,
            now_ns=began_ns,
        )
        final = self._hear(job, response, began_ns, result)
        result.tries.append(
            Try(began_ns, job.parcel, job.attempt, request, response, final)
        )

    def _hear(self, job: Job, response: Response, began_ns: int, result: Pass) -> bool:
        """What follows from an answer; true if the parcel is given up."""
        now_ns, waited = self._means.clock(), job.waited
        if response.good:
            self._patient.heal(result, now_ns)
            if waited is not None:
                result.done.append(waited.id)
            return False
        self._patient.fail(response, began_ns, now_ns, result)
        pause = self._plan.pause_after(job.attempt)
        if pause is None or response.status in self._manners.final:
            if waited is not None:
                result.done.append(waited.id)
            return True
        due_ns = now_ns + max(pause, response.retry_after_s) * SECOND_NS
        first_ns = began_ns if waited is None else waited.first_ns
        id_ = None if waited is None else waited.id
        result.again.append(Again(job.parcel, job.attempt, first_ns, due_ns, id_))
        return False

    async def _probe(self, now_ns: int) -> float:
        """See whether an endpoint that was given up is there again."""
        result = self._patient.begin(self._after)
        await self._post(Job(trial(self.endpoint, now_ns)), result)
        result.again.clear()
        await self._write(result)
        now_ns = self._means.clock()
        return self._pause(now_ns) if self._patient.given_up else 0.0

    async def _write(self, result: Pass) -> None:
        """Keep what a pass brought; a cursor that only moved is kept now and then."""
        told = result.tries or result.events or result.replay
        if told or result.after - self.endpoint.after >= DRIFT:
            await self._means.store.write_each(self._means.record, result)
            self.endpoint = replace(self.endpoint, after=result.after)
        self._after = int(result.after)
        if result.again or result.done:
            self._look = True

    def _pause(self, now_ns: int) -> float:
        """Seconds until something is due."""
        if self._look:
            return 0.0
        if rest := self._patient.rest(now_ns):
            return rest
        if self._next_ns is None:
            return IDLE_SECONDS
        return max(0, self._next_ns - now_ns) / SECOND_NS


def _jobs(new: Sequence[Parcel], after: int) -> list[Job]:
    """The parcels, each with the number before its first event."""
    return [Job(one, before=max(after, one.numbers[0] - 1)) for one in new]
