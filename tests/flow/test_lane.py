from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import trio
from trio.testing import wait_all_tasks_blocked

from appliance.core.ids import DeliveryId, SubAccountId
from appliance.core.provider import Security
from appliance.flow.lane import CaptureLane, Job, SmtpLane
from appliance.flow.settle import about
from appliance.net.smtp_client import SmtpConnection
from appliance.net.smtp_connect import Failure, connect
from appliance.net.upstream import Timeouts, Upstream
from appliance.smtp.outcome import (
    Broken,
    Fault,
    Outcome,
    Rejected,
    Stage,
)
from appliance.smtp.reply import Reply
from appliance.smtp.trail import Opening
from tests.fakes.mail import make_copy
from tests.fakes.upstream import Close, FakeUpstream, Hold, Say, Script

CONTENT = b"Subject: x\r\n\r\nHello\r\n"


class Noted:
    """A note that is on disk at once."""

    async def wait(self) -> bool:
        """It may leave."""
        await trio.lowlevel.checkpoint()
        return True


def note(_: DeliveryId) -> Noted:
    """What a lane asks before each final dot."""
    return Noted()


class Outcomes:
    """What a lane told, and a way to wait for it."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, Outcome]] = []
        self._changed = trio.Event()

    def __call__(self, job: Job, outcome: Outcome) -> None:
        """Take in one outcome."""
        self.seen.append((job.copy.id, outcome))
        self._changed.set()
        self._changed = trio.Event()

    async def wait(self, number: int) -> None:
        """Returns once so many were told."""
        with trio.fail_after(10):
            while len(self.seen) < number:
                await self._changed.wait()

    @property
    def kinds(self) -> list[str]:
        """The names of the outcomes, in the order of the jobs."""
        return [type(one).__name__ for _, one in sorted(self.seen, key=lambda x: x[0])]


def job(number: int) -> Job:
    """A job with a number."""
    copy = make_copy(number)
    return Job(copy, about(copy, "pool", "provider"), "bounce@b.test", CONTENT)


@asynccontextmanager
async def lane_to(
    upstream: FakeUpstream, outcomes: Outcomes, *, connections: int = 5
) -> AsyncIterator[SmtpLane]:
    """A running lane to a fake upstream; it must end when it is closed."""
    async with trio.open_nursery() as servers:
        port = await upstream.start(servers)
        target = Upstream("127.0.0.1", port, Security.NONE)
        lane = SmtpLane(
            lambda opening: connect(target, Timeouts(), opening=opening),
            outcomes,
            note,
            max_connections=connections,
            idle_seconds=60,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lane.run)
            yield lane
            lane.close()
            nursery.cancel_scope.deadline = trio.current_time() + 10
        assert not nursery.cancel_scope.cancelled_caught
        servers.cancel_scope.cancel()


async def test_each_job_is_settled_once() -> None:
    """A burst goes over few connections, and each mail arrives once."""
    upstream, outcomes = FakeUpstream(), Outcomes()
    async with lane_to(upstream, outcomes, connections=3) as lane:
        for number in range(1, 51):
            lane.put(job(number))
        await outcomes.wait(50)
    assert sorted(number for number, _ in outcomes.seen) == list(range(1, 51))
    assert outcomes.kinds == ["Accepted"] * 50
    assert len(upstream.received) == 50
    assert len(upstream.commands) <= 3


async def test_sub_accounts_take_turns() -> None:
    """A thousand mails of one are before the first of another for one mail's time."""
    upstream, outcomes = FakeUpstream(), Outcomes()
    async with lane_to(upstream, outcomes, connections=1) as lane:
        for number in range(1, 101):
            lane.put(job(number))
        for number in (101, 102):
            one = job(number)
            copy = replace(one.copy, sub_account=SubAccountId(2))
            lane.put(replace(one, copy=copy))
        await outcomes.wait(102)
    order = [number for number, _ in outcomes.seen]
    assert order.index(101) <= 2
    assert order.index(102) <= 4


async def test_a_kept_connection_serves_the_next_job() -> None:
    """No new connection for each mail."""
    upstream, outcomes = FakeUpstream(), Outcomes()
    async with lane_to(upstream, outcomes) as lane:
        for number in (1, 2, 3):
            lane.put(job(number))
            await outcomes.wait(number)
    assert len(upstream.commands) == 1


async def test_one_refusal_is_one_job_s_own() -> None:
    """The others on the connection go through."""
    script = Script({"RCPT": [None, Say("550 5.1.1 unknown"), None]})
    outcomes = Outcomes()
    async with lane_to(FakeUpstream(script), outcomes, connections=1) as lane:
        for number in (1, 2, 3):
            lane.put(job(number))
        await outcomes.wait(3)
    assert outcomes.kinds == ["Accepted", "Rejected", "Accepted"]


async def test_no_connection_at_all_is_told_to_all_that_wait() -> None:
    """A hundred mails do not each wait for their own time-out."""
    outcomes = Outcomes()
    refusal = Rejected(Stage.CONNECT, Reply(421))
    attempts = 0

    async def refused(_: Opening) -> SmtpConnection | Failure:
        nonlocal attempts
        attempts += 1
        await trio.lowlevel.checkpoint()
        return refusal

    lane = SmtpLane(refused, outcomes, note, max_connections=1, idle_seconds=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        for number in range(1, 101):
            lane.put(job(number))
        await outcomes.wait(100)
        lane.close()
    assert [one for _, one in outcomes.seen] == [refusal] * 100
    assert attempts == 1


async def test_kept_connections_that_died_hold_up_nothing() -> None:
    """The server has gone: those that idle are asked now, not when they time out."""
    held, outcomes = trio.Event(), Outcomes()
    script = Script({"MAIL": [None, Close()], "DATA": (Hold(held), Say("354 go"))})
    upstream = FakeUpstream(script)
    gone = Broken(Stage.CONNECT, Fault.UNREACHABLE, "refused")
    async with trio.open_nursery() as servers:
        target = Upstream("127.0.0.1", await upstream.start(servers), Security.NONE)

        async def at_first(opening: Opening) -> SmtpConnection | Failure:
            if len(upstream.commands) == 2:
                await trio.lowlevel.checkpoint()
                return gone
            return await connect(target, Timeouts(), opening=opening)

        lane = SmtpLane(at_first, outcomes, note, max_connections=2, idle_seconds=60)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lane.run)
            for number in (1, 2):
                lane.put(job(number))
                with trio.fail_after(10):
                    while len(upstream.commands) < number:
                        await wait_all_tasks_blocked(0.001)
            held.set()
            await outcomes.wait(2)
            await wait_all_tasks_blocked(0.001)
            lane.put(job(3))
            await outcomes.wait(3)
            lane.close()
        servers.cancel_scope.cancel()
    assert [one for number, one in outcomes.seen if number == 3] == [gone]


async def test_a_server_with_few_connections_is_given_few() -> None:
    """One that is refused beside others that serve costs no mail an attempt."""
    upstream, outcomes = (
        FakeUpstream(Script(), Script({"BANNER": Say("421 busy")})),
        Outcomes(),
    )
    async with lane_to(upstream, outcomes, connections=5) as lane:
        lane.put(job(1))
        await outcomes.wait(1)
        for number in range(2, 40):
            lane.put(job(number))
        await outcomes.wait(39)
    assert outcomes.kinds == ["Accepted"] * 39


async def test_a_server_that_hangs_up_between_mails_costs_nothing() -> None:
    """The next mail goes over a new connection, without an attempt counted."""
    script = Script({"MAIL": [None, Close()]})
    outcomes = Outcomes()
    async with lane_to(FakeUpstream(script), outcomes, connections=1) as lane:
        for number in (1, 2, 3):
            lane.put(job(number))
            await outcomes.wait(number)
    assert outcomes.kinds == ["Accepted"] * 3


async def test_a_close_before_the_answer_to_the_dot_is_in_doubt() -> None:
    """ATTACKS 23: it is not sent, and not said to be untouched either."""
    outcomes = Outcomes()
    async with lane_to(FakeUpstream(Script({"DOT": Close()})), outcomes) as lane:
        lane.put(job(1))
        await outcomes.wait(1)
    ((_, outcome),) = outcomes.seen
    assert isinstance(outcome, Broken)
    assert (outcome.fault, outcome.after_dot) == (Fault.CLOSED, True)


async def test_closing_gives_back_what_waits_and_ends_what_is_on_the_wire() -> None:
    """A stop loses nothing and sends nothing twice."""
    held, outcomes = trio.Event(), Outcomes()
    upstream = FakeUpstream(Script({"DATA": [(Hold(held), Say("354 go"))]}))
    async with lane_to(upstream, outcomes, connections=1) as lane:
        for number in (1, 2, 3):
            lane.put(job(number))
        with trio.fail_after(10):
            while not upstream.verbs or "DATA" not in upstream.verbs[0]:
                await wait_all_tasks_blocked(0.001)
        lane.close()
        assert outcomes.kinds == ["Untouched", "Untouched"]
        held.set()
        await outcomes.wait(3)
    assert outcomes.kinds == ["Accepted", "Untouched", "Untouched"]


async def test_captured_mail_is_kept_before_it_counts_as_taken() -> None:
    """Nothing leaves the house, many to a commit."""
    kept: list[list[int]] = []
    outcomes = Outcomes()

    async def keep(jobs: list[Job]) -> None:
        await trio.lowlevel.checkpoint()
        assert not outcomes.seen
        kept.append([one.copy.id for one in jobs])

    lane = CaptureLane(keep, outcomes)
    async with trio.open_nursery() as nursery:
        for number in (1, 2, 3):
            lane.put(job(number))
        nursery.start_soon(lane.run)
        await outcomes.wait(3)
        lane.close()
    assert kept == [[1, 2, 3]]
    assert outcomes.kinds == ["Accepted"] * 3
