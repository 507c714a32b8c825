"""The counters follow the log, and never run ahead of it or twice over it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.recipient_class import RecipientClass
from appliance.core.stats import HOUR_NS, Kind, Question
from appliance.core.throttle import Limit, Limits
from appliance.flow import stats
from appliance.flow.stats import BREATH_SECONDS, HOURS_KEPT, PAUSE_SECONDS, Statistics
from appliance.store.database import Store
from appliance.store.stat_answers import by_hour, by_key, total
from appliance.store.stat_check import check_stats
from appliance.store.transaction import Tx
from tests.fakes.queue import SECOND_NS, open_queue
from tests.fakes.store import NOW_NS, open_temp_store

TODAY = NOW_NS // HOUR_NS // 24
ALWAYS = Question(TODAY - 300, TODAY + 300)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    async with open_temp_store(tmp_path) as opened:
        yield opened


def _emit(tx: Tx, number: int, at_ns: int) -> None:
    about = About(SubAccountId(1), uuid7(), uuid7(), "a@b.example", "c@d.example")
    for _ in range(number):
        tx.emit(NewEvent(EventType.SENT, at_ns, about))


async def sent(store: Store) -> int:
    """How many are counted."""
    return (await store.read(total, ALWAYS)).sent


async def test_a_pass_counts_a_part(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says when to come again: at once, or in a while."""
    monkeypatch.setattr(stats, "AT_A_TIME", 4)
    statistics = Statistics(store, lambda: NOW_NS)
    await store.write(_emit, 6, NOW_NS)
    assert await statistics.run_once(NOW_NS) == BREATH_SECONDS
    assert await sent(store) == 4
    assert await statistics.run_once(NOW_NS) == PAUSE_SECONDS
    assert await sent(store) == 6


async def test_many_who_ask_at_once_double_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process or in several, while more is written."""
    monkeypatch.setattr(stats, "AT_A_TIME", 3)
    ours, theirs = (Statistics(store, lambda: NOW_NS) for _ in range(2))
    async with trio.open_nursery() as nursery:
        for statistics in (ours, theirs) * 3:
            nursery.start_soon(store.write, _emit, 5, NOW_NS)
            nursery.start_soon(statistics.catch_up)
    await ours.catch_up()
    assert await sent(store) == 30
    assert (await store.read(check_stats, lambda _: None)).wrong == 0


async def test_old_hours_are_forgotten_in_time(store: Store) -> None:
    """Once an hour somebody looks; the days stay."""
    old_ns = NOW_NS - (HOURS_KEPT + 1) * HOUR_NS
    await store.write(_emit, 1, old_ns)
    await store.write(_emit, 1, NOW_NS)
    statistics = Statistics(store, lambda: NOW_NS)
    while await statistics.run_once(NOW_NS) < PAUSE_SECONDS:
        pass
    assert len(await store.read(by_hour, ALWAYS)) == 1
    assert await sent(store) == 2
    assert (await store.read(check_stats, lambda _: None)).wrong == 0


@pytest.mark.parametrize(
    ("limits", "by_class"),
    [
        (Limits(Limit(per_hour=10)), {}),
        (
            Limits(classes={RecipientClass.GMAIL: Limit(per_hour=10)}),
            {"gmail": 5},
        ),
    ],
)
async def test_what_waited_for_a_limit_is_counted_when_it_goes(
    tmp_path: Path, limits: Limits, by_class: dict[str, int]
) -> None:
    """Of fifteen ten go at once; it is nobody's event, and never counted twice."""
    async with open_queue(tmp_path) as queue:
        await queue.put(15, to="a@gmail.com", pool=await queue.limited(limits))
        assert len(await queue.claim_all()) == 10
        for _ in range(5):
            queue.now_ns += 360 * SECOND_NS
            assert len(await queue.claim_all()) == 1
        statistics = Statistics(queue.store, lambda: queue.now_ns)
        for _ in range(2):
            await statistics.catch_up()
        today = queue.now_ns // HOUR_NS // 24
        for kind, held in ((Kind.PROVIDER, {"post": 5}), (Kind.CLASS, by_class)):
            counts = await queue.store.read(by_key, Question(today, today, kind), 9)
            found = {key: one.throttled for key, one in counts.items()}
            assert {key: number for key, number in found.items() if number} == held
        assert (await queue.store.read(check_stats, lambda _: None)).wrong == 0
