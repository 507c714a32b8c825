"""Turns among sub-accounts: one that has very much delays the others by its part."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.breaker import Restraint
from appliance.core.delivery import Copy
from appliance.core.ids import ProviderId
from appliance.core.pool import by_shares
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Limit, Limits
from appliance.store.claim import claim
from appliance.store.deliveries import NEXT_DUE, release
from appliance.store.due import PART, PARTS, ROUND, TURNS
from appliance.store.standing import STANDING
from appliance.store.transaction import Tx, View
from tests.fakes.queue import PLENTY, SECOND_NS, Queue, open_queue


def whose(queue: Queue, copies: list[Copy]) -> Counter[int]:
    """How many each tenant got, by its place."""
    return Counter(queue.tenants.index(one.sub_account) for one in copies)


async def test_the_first_mail_of_another_comes_with_the_next_claim(
    tmp_path: Path,
) -> None:
    """However much was there before it, drawn or not."""
    async with open_queue(tmp_path, tenants=2) as queue:
        await queue.put(2_000)
        await queue.claim(10, most_each=100)
        await queue.put(1, tenant=1)
        copies = await queue.claim(10, most_each=100)
        assert whose(queue, copies)[1] == 1


@pytest.mark.parametrize("rate", [None, 20])
async def test_five_thousand_mails_delay_another_s_first_by_no_second(
    tmp_path: Path, rate: int | None
) -> None:
    """A busy upstream, with a limit or without: it hands over 200 mails a second.

    One tenant fills it for minutes; in the middle of that another sends one mail.
    """
    limits = Limits(Limit(per_second=rate))
    async with open_queue(tmp_path, tenants=2) as queue:
        pool = await queue.limited(limits)
        await queue.put(5_000, pool=pool)
        delay_ns = None
        for step in range(200):
            if step == 100:
                await queue.put(1, tenant=1, pool=pool)
                since_ns = queue.now_ns
            copies = await queue.claim(250, most_each=250)
            if step >= 100 and whose(queue, copies)[1]:
                delay_ns = queue.now_ns - since_ns
                break
            await queue.send(queue.flying[:10])  # in the order in which they left
            queue.now_ns += SECOND_NS // 20
        assert delay_ns is not None
        assert delay_ns < SECOND_NS // 2


async def test_nobody_fills_a_provider_while_others_could_come(tmp_path: Path) -> None:
    """A lone sender has half of it, two a third each, and there is always room."""
    async with open_queue(tmp_path, tenants=3) as queue:
        await queue.put(500)
        for _ in range(20):
            await queue.claim(300, most_each=90)
        assert whose(queue, queue.flying) == {0: 45}
        await queue.put(500, tenant=1)
        for _ in range(20):
            await queue.claim(300, most_each=90)
            await queue.send(queue.flying[:5])
        parts = whose(queue, queue.flying)
        assert all(20 <= part <= 40 for part in parts.values()), parts
        await queue.put(1, tenant=2)
        assert whose(queue, await queue.claim(300, most_each=90))[2] == 1


async def test_a_lone_sub_account_has_it_all(tmp_path: Path) -> None:
    """Nobody else can come, so nothing is kept free."""
    async with open_queue(tmp_path) as queue:
        await queue.put(200)
        assert len(await queue.claim(300, most_each=90)) == 90


async def test_nobody_fills_the_memory_either(tmp_path: Path) -> None:
    """One that sends large mails leaves room for the small mail of another."""
    async with open_queue(tmp_path, tenants=2) as queue:
        await queue.put(50)
        for _ in range(20):
            held = sum(one.size_bytes for one in queue.flying)
            await queue.claim(300, byte_limit=max(1, 100 - held))
        await queue.put(1, tenant=1)
        held = sum(one.size_bytes for one in queue.flying)
        copies = await queue.claim(300, byte_limit=100 - held)
        assert whose(queue, copies)[1] == 1


async def test_those_behind_the_first_few_get_their_turn(tmp_path: Path) -> None:
    """A round goes on where it stopped, with more tenants than one claim looks at."""
    tenants = 3 * ROUND
    async with open_queue(tmp_path, tenants=tenants) as queue:
        for tenant in range(tenants):
            await queue.put(3, tenant=tenant)
        for _ in range(4 * tenants // 12):
            await queue.claim(12)
        got = whose(queue, queue.flying)
        assert set(got) == set(range(tenants))
        assert max(got.values()) <= 3


async def test_two_of_each_come_before_the_next_few_have_their_turn(
    tmp_path: Path,
) -> None:
    """So that half as many pages are written; and then the others come."""
    async with open_queue(tmp_path, tenants=6) as queue:
        for tenant in range(6):
            await queue.put(5, tenant=tenant)
        first = whose(queue, await queue.claim(6))
        assert first == dict.fromkeys(sorted(first), 2)
        second = whose(queue, await queue.claim(6))
        assert first | second == dict.fromkeys(range(6), 2)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(1, 12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_a_claim_is_full_if_two_of_each_make_it_so(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], limit: int
) -> None:
    """However the mail is spread: the look does not end too early."""
    tenants = len(numbers)
    async with open_queue(tmp_path_factory.mktemp("q"), tenants=tenants) as queue:
        for tenant, number in enumerate(numbers):
            await queue.put(number, tenant=tenant)
        copies = await queue.claim(limit)
        assert min(limit, sum(min(PART, number) for number in numbers)) <= len(copies)
        assert len(whose(queue, copies)) >= min(tenants, limit // 2)


async def test_those_who_have_all_they_may_have_hide_no_other(tmp_path: Path) -> None:
    """Their mail is due too, and stands in front; the one that may go is found."""
    async with open_queue(tmp_path, tenants=4) as queue:
        for tenant in range(3):
            await queue.put(5, tenant=tenant)
        for _ in range(3):
            assert len(await queue.claim(3, most_each=12)) == 3
        await queue.put(1, tenant=3)
        assert not await queue.claim(most_each=9)  # all is drawn by now, and waits
        queue.rounds.after.clear()
        copies = await queue.claim(1, most_each=12)
        assert whose(queue, copies) == {3: 1}


async def test_mail_that_cannot_overflow_is_not_asked_for_again_and_again(
    tmp_path: Path,
) -> None:
    """Its upstream is down and the spare one has no place for its kind.

    There is room for one at the spare, so a look at three tenants could go on for ever.
    """
    gmail = {RecipientClass.GMAIL: Limit(per_hour=1)}
    async with open_queue(tmp_path, tenants=3) as queue:
        dead = await queue.provider("dead")
        spare = await queue.provider("spare", Limits(Limit(per_hour=2), gmail))
        elsewhere = await queue.pool(by_shares("spare", [(spare.id, 100)]))
        share = by_shares("both", [(dead.id, 100)])
        pool = await queue.pool(
            replace(share, overflow=True, overflow_pool=elsewhere.id)
        )
        for tenant in range(3):
            await queue.put(50, to="x@gmail.com", tenant=tenant, pool=pool)
        await queue.claim_all(200)
        taken = [one.id for one in queue.flying]
        await queue.store.write(release, taken, queue.now_ns)
        queue.flying.clear()
        queue.down = {dead.id: Restraint(0, "down")}
        claims = 0
        for _ in range(20):
            await queue.put(1)
            while await queue.claim(200) or queue.rounds.more:
                claims += 1
        assert claims <= 3 * 20


async def test_mail_that_is_due_later_hides_no_other(tmp_path: Path) -> None:
    """A hundred tenants wait for a retry; the last one's mail is found and goes."""
    async with open_queue(tmp_path, tenants=3 * ROUND) as queue:
        for tenant in range(3 * ROUND):
            await queue.put(1, tenant=tenant)
        await queue.store.write(
            lambda tx: tx.db.execute("UPDATE delivery SET due_ns = due_ns + 1000")
        )
        await queue.put(20, tenant=3 * ROUND - 1)
        assert len(await queue.claim_all(5)) == 20


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 20)), max_size=5),
    st.integers(1, 40),
    st.integers(1, 60),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_whoever_sends_what_all_of_it_goes(
    tmp_path_factory: pytest.TempPathFactory,
    mails: list[tuple[int, int]],
    limit: int,
    most_each: int,
) -> None:
    """Nothing is stuck, nothing goes twice, and the relay never turns in circles."""
    async with open_queue(tmp_path_factory.mktemp("queue"), tenants=4) as queue:
        other = await queue.provider("other")
        pool = await queue.pool(by_shares("other", [(other.id, 100)]))
        for tenant, number in mails:
            await queue.put(number, tenant=tenant, pool=[None, pool][tenant % 2])
        taken: list[int] = []
        for _ in range(2_000):
            copies = await queue.claim(limit, most_each=most_each)
            taken += [one.id for one in copies]
            if not copies and not queue.rounds.more:
                if not queue.flying:
                    break
                await queue.send(queue.flying[:7])
        total = sum(number for _, number in mails)
        assert sorted(taken) == list(range(1, total + 1))


async def test_all_that_a_claim_asks_is_answered_by_leaps(tmp_path: Path) -> None:
    """Nothing that waits is scanned or sorted, and its rows are not even touched."""
    values = {
        "provider": 1,
        "queue": 0,
        "after": -1,
        "now": 1,
        "most": 5,
        "each": 2,
        "enough": 4,
        "part": 3,
        "tenants": "[1]",
    }

    def plans(view: View) -> list[str]:
        return [
            row[3]
            for asked in (STANDING, TURNS, PARTS, NEXT_DUE)
            for row in view.db.execute("EXPLAIN QUERY PLAN " + asked, values)
        ]

    async with open_queue(tmp_path) as queue:
        steps = await queue.store.read(plans)
    assert not [one for one in steps if "TEMP B-TREE" in one]
    for step in steps:
        if " delivery " in step or " first " in step:
            assert step.startswith("SEARCH ")
            assert " USING COVERING INDEX delivery_" in step


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("limited", [False, True])
async def test_a_claim_costs_the_same_whatever_waits(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: bool,  # noqa: FBT001 - a case
    limited: bool,  # noqa: FBT001 - a case
) -> None:
    """Counted in steps of SQLite, which no other work of the machine blurs."""
    few, many = [
        await steps_of_a_claim(
            tmp_path_factory.mktemp("queue"), waiting, drawn=drawn, limited=limited
        )
        for waiting in (200, 6_000)
    ]
    assert many <= 1.2 * few


async def steps_of_a_claim(
    folder: Path, waiting: int, *, drawn: bool, limited: bool
) -> int:
    """What the tenth claim costs, with so many waiting."""
    limits = Limits(Limit(per_second=100), {RecipientClass.DEFAULT: Limit(1 << 20)})
    async with open_queue(folder, tenants=5) as queue:
        pool = await queue.limited(limits if limited else Limits())
        for tenant in range(5):
            await queue.put(waiting // 5, tenant=tenant, pool=pool)
        if drawn:
            await queue.store.write(pin, pool.members[0])
        for _ in range(9):
            await queue.send(await queue.claim(16, most_each=100))
            queue.now_ns += SECOND_NS
        return await queue.store.write(count_steps, queue.now_ns)


def pin(tx: Tx, provider: ProviderId) -> None:
    """Have all that waits be drawn."""
    tx.db.execute("UPDATE delivery SET provider = ?", (provider,))


def count_steps(tx: Tx, now_ns: int) -> int:
    """The steps of one claim."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    tx.db.set_progress_handler(count, 1)
    try:
        assert len(claim(tx, now_ns, 16, PLENTY, most_each=100)) == 16
    finally:
        tx.db.set_progress_handler(None, 0)
    return steps
