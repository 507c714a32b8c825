"""Mail that is ready for one provider, and the connections that carry it.

A lane opens connections as mail comes, up to the provider's bound, keeps them
while there is work, and ends those that idle. The sub-accounts whose mail waits
take turns. When no connection can be made at
all, everything that waits in the lane learns of that one failure, rather than
each mail finding out by itself.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Protocol

import trio

from appliance import failpoint
from appliance.core.delivery import Copy
from appliance.core.event import About
from appliance.core.ids import DeliveryId, SubAccountId
from appliance.flow.turns import Turns
from appliance.net.smtp_client import Permission, SmtpConnection
from appliance.net.smtp_connect import Failure
from appliance.smtp.exchange import Transaction
from appliance.smtp.outcome import Accepted, Outcome, Untouched
from appliance.smtp.reply import Reply
from appliance.smtp.trail import Opening, Trail
from appliance.value import value


@value
class Job:
    """A delivery whose bytes are ready; ``trail`` tells how it fares."""

    copy: Copy
    about: About
    sender: str
    content: bytes = field(repr=False)
    trail: Trail = field(default_factory=Trail, repr=False, compare=False)


Settled = Callable[[Job, Outcome], None]
Connect = Callable[[Opening], Awaitable[SmtpConnection | Failure]]
Keep = Callable[[list[Job]], Awaitable[None]]
Note = Callable[[DeliveryId], Permission]


class Lane(Protocol):
    """Where jobs for one provider go; each is settled exactly once."""

    def put(self, job: Job) -> None:
        """Take a job."""

    def close(self) -> None:
        """Take no more: give back what waits, let what is on the wire end."""

    async def run(self) -> None:
        """Works until the lane is closed and empty."""


class SmtpLane:
    """Carries jobs to one SMTP server over at most ``max_connections``."""

    def __init__(
        self,
        connect: Connect,
        settled: Settled,
        note: Note,
        *,
        max_connections: int,
        idle_seconds: float,
    ) -> None:
        self._connect = connect
        self._note = note
        self._settled = settled
        self._most = max_connections
        self._idle_seconds = idle_seconds
        self._ready: Turns[SubAccountId, Transaction[Job]] = Turns()
        self._idle = trio.lowlevel.ParkingLot()
        self._starts = trio.Event()
        self._tasks = 0
        self._connected = 0
        self._bound = max_connections
        self._closed = False

    def put(self, job: Job) -> None:
        """Take a job; a connection carries it as soon as one is free."""
        to = (str(job.copy.recipient),)
        transaction = Transaction(job, job.sender, to, job.content, job.trail)
        self._ready.put(job.copy.sub_account, transaction)
        if self._idle:
            self._idle.unpark()
        elif self._tasks < self._bound:
            self._starts.set()

    def close(self) -> None:
        """Give back what waits, untouched; connections end after what they carry."""
        self._closed = True
        while self._ready:
            self._settled(self._ready.take().tag, Untouched())
        self._idle.unpark_all()
        self._starts.set()

    async def run(self) -> None:
        """Starts connections as they are needed, until the lane is closed."""
        async with trio.open_nursery() as nursery:
            while not self._closed:
                await self._starts.wait()
                self._starts = trio.Event()
                for _ in range(min(self._bound - self._tasks, len(self._ready))):
                    self._tasks += 1
                    nursery.start_soon(self._carry)

    # --- what a connection asks (net.smtp_client.Source) ------------------------

    async def next(self) -> Transaction[Job] | None:
        """A transaction, or None when the lane is closed or was idle too long."""
        if self._ready:
            return self._ready.take()
        with trio.move_on_after(self._idle_seconds):
            while not (self._ready or self._closed):
                await self._idle.park()
        return self.try_next()

    def try_next(self) -> Transaction[Job] | None:
        """A transaction if one is ready."""
        return self._ready.take() if self._ready else None

    def may_end(self, transaction: Transaction[Job]) -> Permission:
        """Have it noted that its final dot may leave."""
        return self._note(transaction.tag.copy.id)

    def done(self, transaction: Transaction[Job], outcome: Outcome) -> None:
        """Pass on how it ended; what no server looked at goes on to the next."""
        failpoint.reach("answer.read")
        if isinstance(outcome, Untouched) and not self._closed:
            self._ready.put_back(transaction.tag.copy.sub_account, transaction)
        else:
            self._settled(transaction.tag, outcome)

    # --- connections ----------------------------------------------------------

    async def _carry(self) -> None:
        """One connection after another while there is mail."""
        try:
            while self._ready and await self._carry_once():
                pass
        finally:
            self._tasks -= 1

    async def _carry_once(self) -> bool:
        """Open, use and end one connection; False if none could be opened."""
        opening = Opening(trio.current_time())
        connection = await self._connect(opening)
        if not isinstance(connection, SmtpConnection):
            self._on_failure(connection, opening)
            return False
        self._connected += 1
        try:
            await connection.run(self)
            await connection.quit()
        finally:
            self._connected -= 1
            if not self._connected:
                self._bound = self._most
            await connection.abort()
        return True

    def _on_failure(self, failure: Failure, opening: Opening) -> None:
        """No connection: the waiting mail's failure, unless others are open.

        A server that takes no further connection while it serves some has told
        us its bound; it holds until all of them have ended. Those that idle must take
        what waits, or find out that they are dead as well.
        """
        if self._connected:
            self._bound = self._connected
            self._idle.unpark_all()
            return
        now = trio.current_time()
        while self._ready:
            transaction = self._ready.take()
            transaction.trail.fail(opening, now)
            self._settled(transaction.tag, failure)


class CaptureLane:
    """Keeps mail for viewing; nothing leaves the house."""

    REPLY = Reply(250, ("kept for viewing, not sent",))

    def __init__(self, keep: Keep, settled: Settled) -> None:
        self._keep = keep
        self._settled = settled
        self._ready: deque[Job] = deque()
        self._news = trio.Event()
        self._closed = False

    def put(self, job: Job) -> None:
        """Take a job."""
        self._ready.append(job)
        self._news.set()

    def close(self) -> None:
        """Keep what is here, then end."""
        self._closed = True
        self._news.set()

    async def run(self) -> None:
        """Keeps jobs, many to a commit, until the lane is closed and empty."""
        while self._ready or not self._closed:
            await self._news.wait()
            self._news = trio.Event()
            while self._ready:
                jobs = list(self._ready)
                self._ready.clear()
                await self._keep(jobs)
                for job in jobs:
                    self._settled(job, Accepted(self.REPLY))
