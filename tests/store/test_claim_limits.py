"""Waiting for a limit: no try, no event, nobody else held up, and not for ever."""

from collections import Counter
from pathlib import Path

from appliance.core.breaker import Restraint
from appliance.core.delivery import State
from appliance.core.event import EventFilter, EventType
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Fare, Limit, Limits
from appliance.store.deliveries import counts_by_state, release
from appliance.store.events import list_events
from appliance.store.limit_wait import GIVEN_UP, give_up
from appliance.store.limits import save_limits
from appliance.store.waits import load_waits
from tests.fakes.queue import HOUR_NS, SECOND_NS, Queue, open_again, open_queue

GMAIL = RecipientClass.GMAIL


async def test_a_provider_gets_what_its_limit_lets_through(tmp_path: Path) -> None:
    """Ten at once, then one every six minutes; nothing else about them changes."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(Limit(per_hour=10)))
        await queue.put(15, pool=pool)
        assert len(await queue.claim_all()) == 10
        assert queue.rounds.wake_ns == queue.now_ns + 360 * SECOND_NS
        queue.now_ns += 360 * SECOND_NS - 1
        assert await queue.claim_all() == []
        queue.now_ns += 1
        assert len(await queue.claim_all()) == 1
        queue.now_ns += HOUR_NS
        assert len(await queue.claim_all()) == 4
        assert set(await queue.column("attempts")) == {0}
        events = await queue.store.read(list_events, EventFilter(), limit=99)
        assert {one.type for one in events} == {EventType.PROCESSED}


async def test_tokens_survive_a_restart(tmp_path: Path) -> None:
    """What was sent in this hour counts after it."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(Limit(per_hour=10)))
        await queue.put(15, pool=pool)
        assert len(await queue.claim_all()) == 10
    # Another process: no memory of the first, the same rows.
    async with open_again(tmp_path, queue) as again:
        assert await again.claim_all() == []
        again.now_ns += HOUR_NS // 2
        assert len(await again.claim_all()) == 5


async def test_a_class_at_its_limit_steps_aside(tmp_path: Path) -> None:
    """What is behind flows on; what waits says for which limit."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(per_hour=2)}))
        await queue.put(50, to="a@gmail.com", pool=pool)
        await queue.put(5, to="b@other.example", pool=pool)
        copies = await queue.claim_all(10)
        domains = Counter(one.recipient.domain for one in copies)
        assert domains == {"gmail.com": 2, "other.example": 5}
        waits = Counter(await queue.column("waits_for"))
        assert waits == {"": 7, "limit 2/h of gmail at post": 48}
        assert not queue.rounds.more


async def test_those_that_step_aside_are_touched_once(tmp_path: Path) -> None:
    """A token is one row's affair, however many wait for it."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(per_hour=60)}))
        await queue.put(500, to="a@gmail.com", pool=pool)
        await queue.claim_all()
        before = await total_changes(queue)
        for _ in range(3):
            queue.now_ns += 60 * SECOND_NS
            assert len(await queue.claim_all()) == 1
        # Each time: the delivery, the tokens, and what a claim writes besides.
        assert await total_changes(queue) - before <= 3 * 4


async def total_changes(queue: Queue) -> int:
    """How many rows the writer has changed so far."""
    return await queue.store.write(
        lambda tx: int(tx.db.execute("SELECT total_changes()").fetchone()[0])
    )


async def test_a_domain_may_have_its_own_limit(tmp_path: Path) -> None:
    """Within that of its class and that of the provider: all must have a token."""
    limits = Limits(
        Limit(per_hour=20),
        {RecipientClass.DEFAULT: Limit(per_hour=10)},
        {"small.example": Limit(per_hour=3)},
    )
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(limits)
        await queue.put(9, to="a@small.example", pool=pool)
        await queue.put(30, to="b@big.example", pool=pool)
        await queue.put(30, to="c@gmail.com", pool=pool)
        domains = Counter(one.recipient.domain for one in await queue.claim_all())
        assert domains == {"small.example": 3, "big.example": 7, "gmail.com": 10}


async def test_what_comes_later_does_not_overtake(tmp_path: Path) -> None:
    """A token goes to who waits for it, not to who comes when it does."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(per_hour=1)}))
        await queue.put(3, to="first@gmail.com", pool=pool)
        await queue.claim_all()
        queue.now_ns += HOUR_NS
        await queue.put(1, to="late@gmail.com", pool=pool)
        taken = []
        for _ in range(3):
            taken += await queue.claim_all()
            queue.now_ns += HOUR_NS
        assert [one.recipient.local for one in taken] == ["first", "first", "late"]


async def test_a_waiting_tenant_gets_the_next_token(tmp_path: Path) -> None:
    """Not behind all that another one has waiting for the same limit."""
    async with open_queue(tmp_path, tenants=2) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(per_hour=60)}))
        await queue.put(300, to="a@gmail.com", pool=pool)
        await queue.claim_all()
        await queue.put(1, to="b@gmail.com", pool=pool, tenant=1)
        taken = []
        for _ in range(3):
            queue.now_ns += 60 * SECOND_NS
            taken += await queue.claim_all()
        assert "b" in [one.recipient.local for one in taken[:2]]


async def test_no_more_of_a_class_is_under_way_than_may_be(tmp_path: Path) -> None:
    """The others flow on; a mail that is settled makes room for the next."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(at_once=2)}))
        await queue.put(5, to="a@gmail.com", pool=pool)
        await queue.put(3, to="b@other.example", pool=pool)
        copies = await queue.claim_all()
        domains = Counter(one.recipient.domain for one in copies)
        assert domains == {"gmail.com": 2, "other.example": 3}
        waits = Counter(await queue.column("waits_for"))
        assert waits == {"": 5, "limit 2/c of gmail at post": 3}
        # A settlement wakes whoever claims, so there is no time to wait for.
        assert (queue.rounds.wake_ns, queue.rounds.more) == (None, False)
        queue.now_ns += HOUR_NS
        assert await queue.claim_all() == []
        for left in (1, 1, 1, 0, 0):
            first = next(one for one in queue.flying if one.recipient.domain[0] == "g")
            await queue.send([first])
            assert len(await queue.claim_all()) == left


async def test_places_are_a_domain_s_as_well(tmp_path: Path) -> None:
    """Beside a rate, of which a mail takes a token once, whatever it waited for."""
    async with open_queue(tmp_path) as queue:
        limit = Limit(per_hour=3, at_once=2)
        pool = await queue.limited(Limits(domains={"slow.example": limit}))
        await queue.put(4, to="a@slow.example", pool=pool)
        await queue.put(2, to="b@other.example", pool=pool)
        assert len(await queue.claim_all()) == 4
        await queue.send([*queue.flying])
        assert len(await queue.claim_all()) == 1
        await queue.send([*queue.flying])
        assert await queue.claim_all() == []
        queue.now_ns += HOUR_NS // 3
        assert len(await queue.claim_all()) == 1


async def test_a_slow_upstream_ends_no_mail(tmp_path: Path) -> None:
    """Who waits for a place waits for other mail to end, and not for a limit."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(at_once=1)}))
        await queue.put(3, to="a@gmail.com", pool=pool)
        for _ in range(4):
            await tick(queue, 1)
        assert await queue.store.write(give_up, queue.now_ns, 2 * HOUR_NS) == 0


async def test_a_rate_still_ends_waiting_beside_places(tmp_path: Path) -> None:
    """Whatever is under way meanwhile."""
    async with open_queue(tmp_path) as queue:
        limit = Limit(per_hour=1, at_once=1)
        pool = await queue.limited(Limits(classes={GMAIL: limit}))
        await queue.put(9, to="a@gmail.com", pool=pool)
        for _ in range(4):
            await queue.send([*queue.flying])
            await tick(queue, 1)
        assert await queue.store.write(give_up, queue.now_ns, 2 * HOUR_NS)


async def test_a_limit_that_is_lifted_lets_all_go(tmp_path: Path) -> None:
    """Nothing stays where nothing holds it any more."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(per_hour=1)}))
        await queue.put(20, to="a@gmail.com", pool=pool)
        assert len(await queue.claim_all()) == 1
        await queue.store.write(save_limits, pool.members[0], Limits())
        assert len(await queue.claim_all()) == 19
        assert set(await queue.column("waits_for")) == {""}


async def test_a_tightened_limit_holds_at_once(tmp_path: Path) -> None:
    """What is left of the old one is cut to the new one."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(Limit(per_hour=1_000)))
        await queue.put(20, pool=pool)
        assert len(await queue.claim(5)) == 5
        await queue.store.write(save_limits, pool.members[0], Limits(Limit(per_hour=3)))
        assert len(await queue.claim_all()) == 3


async def test_clocks_that_jump_stop_nobody(tmp_path: Path) -> None:
    """ATTACKS 26: a day ahead gives a bucket more, a day back no longer wait."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(Limit(per_hour=10)))
        await queue.put(50, pool=pool)
        assert len(await queue.claim_all()) == 10
        queue.now_ns += 24 * HOUR_NS
        assert len(await queue.claim_all()) == 10
        queue.now_ns -= 23 * HOUR_NS
        assert await queue.claim_all() == []
        queue.now_ns += HOUR_NS // 10
        assert len(await queue.claim_all()) == 1


async def test_what_was_not_handed_over_costs_no_token(tmp_path: Path) -> None:
    """An upstream that is down does not use up its own hour."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(
            Limits(Limit(per_hour=4), {RecipientClass.DEFAULT: Limit(per_hour=4)})
        )
        await queue.put(9, pool=pool)
        for _ in range(5):
            copies = await queue.claim_all()
            assert len(copies) == 4
            fares = [
                Fare(one.provider, RecipientClass.DEFAULT, one.recipient.domain)
                for one in copies
            ]
            ids = [one.id for one in copies]
            await queue.store.write(release, ids, queue.now_ns, fares)
            queue.flying.clear()


async def test_a_look_tells_which_limit_and_until_when(tmp_path: Path) -> None:
    """The provider's own, for which no row is touched, and a class's."""
    limits = Limits(Limit(per_second=2), {GMAIL: Limit(per_hour=1)})
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(limits)
        provider = pool.members[0]
        await queue.put(3, to="a@gmail.com", pool=pool)
        await queue.put(5, pool=pool)
        await queue.claim_all()
        waits = await queue.store.read(load_waits, queue.now_ns)
        told, until_ns = waits.wait(provider) or ("", 0)
        assert told == "limit 2/s at post"
        assert until_ns == queue.now_ns + SECOND_NS // 2
        (stands,) = {*await queue.column("queue")} - {0}
        assert isinstance(stands, int)
        assert waits.wait(provider, queue=stands) == (
            "limit 1/h of gmail at post",
            queue.now_ns + HOUR_NS,
        )


async def tick(queue: Queue, hours: int) -> None:
    """Let so many hours pass, with a claim every half hour."""
    for _ in range(2 * hours):
        queue.now_ns += HOUR_NS // 2
        await queue.send(await queue.claim_all())


async def test_waiting_for_a_limit_ends(tmp_path: Path) -> None:
    """What it held back for so long is dropped, with an event; the rest stays."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(Limit(per_hour=1)))
        await queue.put(10, pool=pool)
        await tick(queue, 3)
        await queue.put(2, pool=pool)
        assert await queue.store.write(give_up, queue.now_ns, 4 * HOUR_NS) == 0
        await tick(queue, 2)
        dropped = await queue.store.write(give_up, queue.now_ns, 4 * HOUR_NS)
        assert dropped == 10 - 5
        counts = await queue.store.read(counts_by_state)
        assert counts[State.QUEUED] == 2
        events = await queue.store.read(list_events, EventFilter(), limit=99)
        data = [one.data for one in events if one.type is EventType.DROPPED]
        assert len(data) == dropped
        assert data[0] == {
            "reason": GIVEN_UP,
            "limit": "limit 1/h at post",
            "attempt": 0,
        }


async def test_a_class_s_limit_ends_its_own_mail_only(tmp_path: Path) -> None:
    """Other mail of that provider was not held back by it."""
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(classes={GMAIL: Limit(per_hour=1)}))
        await queue.put(10, to="a@gmail.com", pool=pool)
        await tick(queue, 5)
        await queue.put(1, pool=pool)
        assert await queue.store.write(give_up, queue.now_ns, 5 * HOUR_NS) == 0
        await tick(queue, 1)
        assert await queue.store.write(give_up, queue.now_ns, 5 * HOUR_NS) > 0
        kept = await queue.column("last_text")
        assert set(kept) == {GIVEN_UP, "2.0.0 Ok"}
        assert kept[-1] == "2.0.0 Ok"


async def test_an_outage_ends_no_mail(tmp_path: Path) -> None:
    """ATTACKS 26: neither the upstream's, nor ours, nor a clock's jump.

    The time that counts is that in which the limit was all that held it.
    """
    async with open_queue(tmp_path) as queue:
        pool = await queue.limited(Limits(Limit(per_hour=1)))
        await queue.put(99, pool=pool)
        await tick(queue, 2)
        queue.down = {pool.members[0]: Restraint(0, "provider post is down")}
        await tick(queue, 9)
        assert await queue.store.write(give_up, queue.now_ns, 4 * HOUR_NS) == 0
        queue.down = {}
        await tick(queue, 3)
        assert await queue.store.write(give_up, queue.now_ns, 4 * HOUR_NS) == 0
        queue.now_ns += 48 * HOUR_NS
        assert await queue.store.write(give_up, queue.now_ns, 4 * HOUR_NS) == 0
        await tick(queue, 1)
        assert await queue.store.write(give_up, queue.now_ns, 4 * HOUR_NS) == 0
