"""A relay that keeps to the limits of its upstreams, over a real store and socket."""

from collections import Counter
from pathlib import Path

import trio

from appliance.core.delivery import State
from appliance.core.event import EventType
from appliance.core.provider import NewProvider
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Limit, Limits
from appliance.store.deliveries import counts_by_state
from appliance.store.limit_wait import GIVEN_UP
from appliance.store.limits import save_limits
from appliance.store.messages import list_recent
from appliance.store.transaction import View
from tests.fakes.floor import Floor, floor
from tests.fakes.queue import HOUR_NS, SECOND_NS
from tests.fakes.upstream import Close, Hold, Say, Script


async def limit(made: Floor, limits: Limits) -> None:
    """Have the upstream limited."""
    await made.store.write(save_limits, made.seeded.provider.id, limits)
    await made.directory.refresh()


async def later(made: Floor, by_ns: int) -> None:
    """It is later, and the relay has noticed."""
    made.now_ns += by_ns
    made.relay.ring()
    await trio.testing.wait_all_tasks_blocked(0.02)


async def queued(made: Floor, number: int) -> None:
    """Returns once so many are queued and nothing is in flight."""

    async def there() -> bool:
        counts = await made.store.read(counts_by_state)
        return (counts[State.QUEUED], counts[State.IN_FLIGHT]) == (number, 0)

    await made.until(there)


async def test_what_is_over_the_limit_waits_and_goes_when_it_may(
    tmp_path: Path,
) -> None:
    """That is no try, and no event is told of it."""
    async with floor(tmp_path) as made:
        await limit(made, Limits(Limit(per_hour=2)))
        await made.send(*(f"u{number}@rcpt.test" for number in range(5)))
        await made.until_events(EventType.SENT, 2)
        await queued(made, 3)
        await later(made, HOUR_NS // 2)
        await made.until_events(EventType.SENT, 3)
        await later(made, HOUR_NS)
        await made.until_events(EventType.SENT, 5)
        assert {one.type for one in made.told} == {
            EventType.PROCESSED,
            EventType.SENT,
        }
        found = await made.store.read(list_recent, 9)
        assert {one.attempts for one in found} == {1}


async def test_the_relay_sleeps_until_the_next_token(tmp_path: Path) -> None:
    """Not for a second, of which a limit by the second would lose a part."""
    async with floor(tmp_path, run=False) as made, trio.open_nursery() as nursery:
        made.relay._nursery = nursery
        await limit(made, Limits(Limit(per_second=4)))
        await made.send(*(f"u{number}@rcpt.test" for number in range(9)))
        while not (pause := await made.relay.run_once(made.now_ns)):
            pass
        assert pause == 0.25
        nursery.cancel_scope.cancel()


async def test_a_class_that_waits_holds_up_nobody(tmp_path: Path) -> None:
    """Mail behind it flows, and the log of the wait is in the queue."""
    async with floor(tmp_path) as made:
        gmail = {RecipientClass.GMAIL: Limit(per_hour=1)}
        await limit(made, Limits(classes=gmail))
        await made.send(*["a@gmail.com"] * 4, "b@rcpt.test", "c@rcpt.test")
        await made.until_events(EventType.SENT, 3)
        await queued(made, 3)

        def reasons(view: View) -> set[str]:
            rows = view.db.execute("SELECT waits_for FROM delivery WHERE state = 0")
            return {text for (text,) in rows}

        told = await made.store.read(reasons)
        assert told == {"limit 1/h of gmail at upstream"}


async def test_a_class_is_on_no_more_connections_than_it_may_be(tmp_path: Path) -> None:
    """However many there are and idle; what ends makes room, without a pause."""
    go_on = trio.Event()
    # Without PIPELINING: nothing goes behind what an answer is held back for.
    slow = Script({"DOT": (Hold(go_on), Say("250 2.0.0 ok"))}, ("8BITMIME",))
    async with floor(tmp_path, slow) as made:
        gmail = {RecipientClass.GMAIL: Limit(at_once=2)}
        await limit(made, Limits(classes=gmail))
        await made.send(*["a@gmail.com"] * 6, "b@rcpt.test", "c@rcpt.test")
        while len(made.upstream.received) < 4:
            await trio.testing.wait_all_tasks_blocked(0.01)
        await later(made, HOUR_NS)
        to = Counter(one.recipients[0] for one in made.upstream.received)
        assert to == {"<a@gmail.com>": 2, "<b@rcpt.test>": 1, "<c@rcpt.test>": 1}
        go_on.set()
        await made.until_events(EventType.SENT, 8)


async def test_an_outage_costs_no_token(tmp_path: Path) -> None:
    """What nobody was there to take is not counted as sent."""
    async with floor(tmp_path, Script({"BANNER": Close()})) as made:
        await limit(made, Limits(Limit(per_hour=3)))
        await made.send(*(f"u{number}@rcpt.test" for number in range(3)))
        for _ in range(6):
            await later(made, 20 * SECOND_NS)
        await queued(made, 3)
        made.upstream.scripts = (Script(),)
        await later(made, 900 * SECOND_NS)
        await made.until_events(EventType.SENT, 3)


async def test_waiting_ends_with_a_drop(tmp_path: Path) -> None:
    """After the time that the settings give it, and the event says why."""
    async with floor(tmp_path, limit_wait=3 * 3600) as made:
        await limit(made, Limits(Limit(per_hour=1)))
        await made.send(*(f"u{number}@rcpt.test" for number in range(9)))
        await made.until_events(EventType.SENT, 1)
        for _ in range(8):
            await later(made, HOUR_NS // 2)
        dropped = await made.until_events(EventType.DROPPED, 4)
        assert dropped[0].data["reason"] == GIVEN_UP
        assert dropped[0].data["limit"] == "limit 1/h at upstream"


def test_new_providers_are_not_limited() -> None:
    """Who hosts it himself decides on limits himself."""
    assert NewProvider("x").limits == Limits()
