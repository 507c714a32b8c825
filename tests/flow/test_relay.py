from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.core.address import Address
from appliance.core.delivery import Copy, State
from appliance.core.event import EventType
from appliance.core.message import Request
from appliance.core.pool import Pool, by_shares
from appliance.core.provider import Security
from appliance.core.suppression import (
    Scope,
    SuppressionReason,
    Target,
    WholeDomain,
)
from appliance.flow import workshop as workshop_module
from appliance.flow.prepare import Prepared, prepare
from appliance.flow.relay import BUSY, PACE_SECONDS
from appliance.flow.settle import SECOND_NS
from appliance.store.captured import list_captured
from appliance.store.claim import claim
from appliance.store.deliveries import counts_by_state
from appliance.store.domains import remove_domain
from appliance.store.messages import accept, list_recent
from appliance.store.pools import add_pool, ensure_sandbox
from appliance.store.providers import NewProvider, add_provider, update_provider
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx
from tests.fakes.floor import Floor, floor, waiting
from tests.fakes.store import open_temp_store
from tests.fakes.upstream import FakeUpstream, Hold, Say, Script


async def test_due_mail_is_sent_and_recorded(tmp_path: Path) -> None:
    """The upstream's 2xx becomes one event with its words; the queue is empty."""
    async with floor(tmp_path) as made:
        await made.send("a@rcpt.test", "b@rcpt.test")
        sent = await made.until_events(EventType.SENT, 2)
        counts = await made.store.read(counts_by_state)
    assert {one.about.recipient for one in sent} == {"a@rcpt.test", "b@rcpt.test"}
    assert sent[0].about.provider == "upstream"
    assert sent[0].about.pool == "main"
    assert set(counts.values()) == {0}
    assert len(made.upstream.received) == 2
    received = made.upstream.received[0]
    assert received.content.startswith(b"DKIM-Signature: ")
    assert received.sender.startswith("<bounces+")
    assert b"X-Trace: " in received.content


async def test_a_burst_larger_than_the_room_goes_through(tmp_path: Path) -> None:
    """Claims follow the room that settlements make; each mail arrives once."""
    async with floor(tmp_path, most=20) as made:
        await made.send(*(f"u{number}@rcpt.test" for number in range(150)))
        sent = await made.until_events(EventType.SENT, 150)
        assert made.relay.in_flight <= 20
    assert len({one.about.delivery for one in sent}) == 150
    assert len(made.upstream.received) == 150


async def test_a_busy_relay_claims_now_and_then(tmp_path: Path) -> None:
    """With much in flight, what rings next waits for a moment, and then goes too."""
    held = trio.Event()
    hold = (Hold(held), Say("220 us.test"))
    async with floor(tmp_path, Script({"BANNER": hold}), most=200) as made:
        await made.send(*(f"u{number}@rcpt.test" for number in range(BUSY)))

        async def all_fly() -> bool:
            return made.relay.in_flight == BUSY

        await made.until(all_fly)
        await made.relay.run_once(made.now_ns)
        assert 0 < await made.relay.run_once(made.now_ns) <= PACE_SECONDS
        await made.send("last@rcpt.test")
        held.set()
        await made.until_events(EventType.SENT, BUSY + 1)


async def test_a_refused_mail_waits_by_the_plan_and_is_then_dropped(
    tmp_path: Path,
) -> None:
    """Each try is due when the plan says, and the last ends in a drop with words."""
    script = Script({"RCPT": Say("450 4.2.1 busy")})
    async with floor(tmp_path, script) as made:
        await made.send("a@rcpt.test")
        for pause, attempts in ((60, 1), (120, 2)):
            (standing,) = await waiting(made, attempts)
            assert standing.due_ns == made.now_ns + pause * SECOND_NS
            assert standing.last_code == 450
            made.now_ns += pause * SECOND_NS
            made.relay.ring()
        (dropped,) = await made.until_events(EventType.DROPPED, 1)
    assert dropped.data["reason"] == "450 4.2.1 busy"
    assert dropped.data["attempt"] == 3
    assert made.of(EventType.SENT) == []


async def test_without_a_verified_return_path_it_is_dropped_at_once(
    tmp_path: Path,
) -> None:
    """The documented words, no try, nothing on the wire (spec 8.3)."""
    async with floor(tmp_path, verified=False) as made:
        await made.send("a@rcpt.test")
        (dropped,) = await made.until_events(EventType.DROPPED, 1)
    assert dropped.data == {
        "reason": "No verified return path domain configured for sender domain"
    }
    assert made.upstream.commands == []


@pytest.mark.parametrize(
    "target", [Address("A", "rcpt.test"), WholeDomain("rcpt.test")]
)
async def test_who_was_suppressed_meanwhile_gets_no_mail(
    tmp_path: Path, target: Target
) -> None:
    """Asked again before each try: the documented words, no try (spec 8.3)."""
    async with floor(tmp_path, Script({"RCPT": [Say("450 4.2.1 busy"), None]})) as made:
        await made.send("a@rcpt.test")
        await waiting(made, 1)
        await made.store.write(
            add_suppression,
            made.seeded.sub_account.id,
            target,
            reason=SuppressionReason.HARD_BOUNCE,
            now_ns=made.now_ns,
        )
        await made.directory.refresh_suppressions()
        made.now_ns += 60 * SECOND_NS
        made.relay.ring()
        (dropped,) = await made.until_events(EventType.DROPPED, 1)
    assert dropped.data == {
        "reason": "Recipient is suppressed: a@rcpt.test (hard bounce)",
        "suppressed": "hard_bounce",
    }
    assert made.upstream.received == []


@pytest.mark.parametrize("by_topic", [True, False])
async def test_who_left_some_mail_meanwhile_gets_none_of_it(
    tmp_path: Path, *, by_topic: bool
) -> None:
    """What is suppressed for some mail is asked for each mail, before each try too."""
    async with floor(tmp_path, Script({"RCPT": [Say("450 4.2.1 busy"), None]})) as made:
        name = made.seeded.domain.name
        left = Scope("news") if by_topic else Scope("", name)
        mail = made.seeded.message("a@rcpt.test", accepted_ns=made.now_ns, topic="news")
        await made.store.write_each(accept, Request((mail,)))
        made.relay.ring()
        await waiting(made, 1)
        for scope in (Scope("other"), Scope("", "other.example"), left):
            await made.store.write(
                add_suppression,
                made.seeded.sub_account.id,
                Address("a", "rcpt.test"),
                reason=SuppressionReason.UNSUBSCRIBE,
                now_ns=made.now_ns,
                scope=scope,
            )
        await made.directory.refresh_suppressions()
        made.now_ns += 60 * SECOND_NS
        made.relay.ring()
        (dropped,) = await made.until_events(EventType.DROPPED, 1)
    why = "topic news" if by_topic else f"mail from {name}"
    said = f"Recipient is suppressed: a@rcpt.test (unsubscribe, {why})"
    where = {"suppressedTopic": "news"} if by_topic else {"suppressedDomain": name}
    assert dropped.data == {"reason": said, "suppressed": "unsubscribe", **where}


async def test_mail_of_a_removed_domain_is_dropped(tmp_path: Path) -> None:
    """There is no key to sign with any more."""
    async with floor(tmp_path, run=False) as made:
        await made.send("a@rcpt.test")
        await made.store.write(remove_domain, made.seeded.domain.id)
        await made.directory.refresh()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.relay.run)
            (dropped,) = await made.until_events(EventType.DROPPED, 1)
            made.relay.drain()
    assert dropped.data == {"reason": "Sender domain is no longer configured"}


async def test_what_was_in_flight_at_a_crash_is_sent_after_the_start(
    tmp_path: Path,
) -> None:
    """Claimed by a process that died, then rescued."""
    async with floor(tmp_path, run=False) as made:
        await made.send("a@rcpt.test")
        assert len(await made.store.write(claim, made.now_ns, 10, 1 << 20)) == 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.relay.run)
            await made.until_events(EventType.SENT, 1)
            made.relay.drain()


async def test_a_drain_ends_what_is_on_the_wire_and_releases_the_rest(
    tmp_path: Path,
) -> None:
    """No attempt is counted for what was not tried, and nothing is lost."""
    held = trio.Event()
    script = Script({"DATA": [(Hold(held), Say("354 go")), None]})
    async with floor(tmp_path, script, drain_seconds=60) as made:
        await made.store.write(
            update_provider, made.seeded.provider.id, one_connection(made)
        )
        await made.directory.refresh()
        await made.send("a@rcpt.test", "b@rcpt.test", "c@rcpt.test")

        async def on_the_wire() -> bool:
            await trio.lowlevel.checkpoint()
            return bool(made.upstream.verbs) and "DATA" in made.upstream.verbs[0]

        await made.until(on_the_wire)
        made.relay.drain()
        await trio.testing.wait_all_tasks_blocked(0.01)
        held.set()
        await made.until_events(EventType.SENT, 1)

        async def all_back() -> bool:
            counts = await made.store.read(counts_by_state)
            return (counts[State.QUEUED], counts[State.IN_FLIGHT]) == (2, 0)

        await made.until(all_back)
        left = await made.store.read(list_recent, 3)
    assert sorted(one.attempts for one in left) == [0, 0, 1]


def one_connection(made: Floor) -> NewProvider:
    """The seeded provider with a single connection."""
    provider = made.seeded.provider
    return NewProvider(
        provider.name,
        host=provider.host,
        port=provider.port,
        security=provider.security,
        max_connections=1,
    )


async def test_a_stop_that_lasts_too_long_is_cut(tmp_path: Path) -> None:
    """The dot was not sent, so it is released and tried again after the start."""
    script = Script({"DATA": Hold(trio.Event())})
    async with floor(tmp_path, script, drain_seconds=0.05) as made:
        await made.send("a@rcpt.test")

        async def on_the_wire() -> bool:
            await trio.lowlevel.checkpoint()
            return bool(made.upstream.verbs) and "DATA" in made.upstream.verbs[0]

        await made.until(on_the_wire)
    async with open_temp_store(tmp_path) as store:
        (left,) = await store.read(list_recent, 3)
    assert (left.state, left.attempts) == (State.QUEUED, 0)


async def test_shares_are_true_and_a_retry_stays_where_it_was(tmp_path: Path) -> None:
    """A pool of two: half each; a refused mail goes to the same provider again."""
    async with floor(tmp_path, Script({"RCPT": [*[None] * 9, Say("450 no")]})) as made:
        seeded = made.seeded.provider
        other = FakeUpstream()
        async with trio.open_nursery() as servers:
            port = await other.start(servers)
            second = await made.store.write(
                add_provider,
                NewProvider(
                    "second", host="127.0.0.1", port=port, security=Security.NONE
                ),
            )
            assert second is not None
            pool = await made.store.write(
                add_pool, by_shares("both", [(seeded.id, 50), (second.id, 50)])
            )
            assert isinstance(pool, Pool)
            made.seeded = replace(made.seeded, pool=pool)
            await made.directory.refresh()
            await made.send(*(f"u{number}@rcpt.test" for number in range(20)))
            await made.until_events(EventType.SENT, 19)
            made.now_ns += 60 * SECOND_NS
            made.relay.ring()
            await made.until_events(EventType.SENT, 20)
            servers.cancel_scope.cancel()
    assert len(made.upstream.received) == len(other.received) == 10


async def test_captured_mail_is_kept_and_counts_as_sent(tmp_path: Path) -> None:
    """The sandbox sends nothing; what would have left can be looked at."""
    async with floor(tmp_path) as made:
        await made.store.write(ensure_sandbox)
        await made.directory.refresh()
        pool = made.directory.current.pools["sandbox"]
        made.seeded = replace(made.seeded, pool=pool)
        await made.send("a@rcpt.test")
        (sent,) = await made.until_events(EventType.SENT, 1)
        (kept,) = await made.store.read(list_captured, 10)
    assert sent.about.provider == "capture"
    assert kept.delivery == sent.about.delivery
    assert made.upstream.commands == []


async def test_a_mail_that_we_cannot_make_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours costs one try of one mail, not the process."""
    real = prepare

    def faulty(copy: Copy, *rest: Any) -> Prepared:
        if copy.recipient.local == "bad":
            raise KeyError("a bug")
        return real(copy, *rest)

    monkeypatch.setattr(workshop_module, "prepare", faulty)
    async with floor(tmp_path, plan=()) as made:
        await made.send("bad@rcpt.test", "good@rcpt.test")
        await made.until_events(EventType.SENT, 1)
        (dropped,) = await made.until_events(EventType.DROPPED, 1)
    assert "fault of Postroom" in str(dropped.data["reason"])


async def test_what_could_not_be_recorded_is_recorded_later(tmp_path: Path) -> None:
    """ATTACKS 26: the disk took nothing when the upstream had taken the mail."""
    async with floor(tmp_path) as made:
        await send_unrecorded(made)
        assert made.of(EventType.SENT) == []
        await made.store.write(refuse_events, on=False)
        made.relay.ring()
        await made.until_events(EventType.SENT, 1)
    assert len(made.upstream.received) == 1


async def test_a_stop_does_not_hammer_a_disk_that_takes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """ATTACKS 26: one try a second and a line for each, until the drain is over."""
    async with floor(tmp_path, drain_seconds=0.2) as made:
        await send_unrecorded(made)
        caplog.clear()
    tries = [one for one in caplog.records if one.message == "relay.unrecorded"]
    assert 1 <= len(tries) <= 2
    assert made.relay._ledger.unrecorded == 1


async def send_unrecorded(made: Floor) -> None:
    """Send a mail that the upstream takes while the disk takes nothing."""
    held = trio.Event()
    made.upstream.scripts = (Script({"DOT": (Hold(held), Say("250 mine"))}),)
    await made.send("a@rcpt.test")

    async def on_the_wire() -> bool:
        await trio.lowlevel.checkpoint()
        return bool(made.upstream.verbs) and "DATA" in made.upstream.verbs[0]

    await made.until(on_the_wire)
    await made.store.write(refuse_events, on=True)
    held.set()

    async def tried() -> bool:
        await trio.lowlevel.checkpoint()
        return bool(made.relay._ledger.unrecorded)

    await made.until(tried)


def refuse_events(tx: Tx, *, on: bool) -> None:
    """Let every commit that records an event fail, or no longer."""
    if on:
        tx.db.execute(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON event"
            " BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    else:
        tx.db.execute("DROP TRIGGER refuse")
