"""How long an answer about a year of ten million events takes, and counting some.

The counters of the year are made through the store's own function: to hand in so much
mail would take hours. Every answer is asked for as the HTTP door asks, over a store
with nothing else to do.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import trio

from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.stats import COUNTERS, HOUR_NS, Kind, Question, day_number
from appliance.core.submission import Dimensions
from appliance.flow.stats import Statistics
from appliance.store.database import Store, open_store
from appliance.store.sealed import KEY_BYTES
from appliance.store.stat_answers import by_day, by_key, by_sub_account, total
from appliance.store.stats import Tallies, Tally, record_tally, rows_of
from appliance.store.transaction import Tx, View
from scripts.benchmarks.report import Bound, say

MOST_MS = 50.0
FIRST = day_number(date(2025, 1, 1))
EVENTS = 10_000_000
TENANTS = 20
# So many keys each tenant has mail of every day.
KEYS = {
    Kind.TOTAL: 1,
    Kind.PROVIDER: 3,
    Kind.POOL: 3,
    Kind.DOMAIN: 5,
    Kind.CLASS: 12,
    Kind.GROUP: 20,
    Kind.TAG: 20,
    Kind.TOPIC: 5,
    Kind.CAMPAIGN: 5,
    Kind.CODE: 10,
}
COUNTED = 20_000  # events of which the log is counted, for the speed of that


@dataclass(frozen=True, slots=True)
class Size:
    """How many days, and how often each answer is asked for."""

    days: int
    rounds: int


FULL = Size(days=380, rounds=20)
QUICK = Size(days=120, rounds=5)


def measure_stats(size: Size) -> tuple[list[Bound], dict[str, object]]:
    """The promise, and the milliseconds of each answer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "postroom.db"
        slowest, rate = trio.run(_measure, file, size)
    for name, taken in slowest.items():
        say(f"{name}: {taken:.1f} ms")
    say(f"counting: {rate:,.0f} events a second")
    worst = max(slowest.values())
    bound = Bound("a year of 10 million events", worst, "ms", MOST_MS, at_least=False)
    return [bound], {"answers_ms": slowest, "counted_per_second": rate}


async def _measure(file: Path, size: Size) -> tuple[dict[str, float], float]:
    async with open_store(file, sealing_key=bytes(KEY_BYTES)) as store:
        rate = await _count(store)
        await _fill(store, size.days)
        slowest: dict[str, float] = {}
        for name, ask, question in _questions(size.days):
            taken = [await _time(store, ask, question) for _ in range(size.rounds)]
            slowest[name] = max(taken)
        return slowest, rate


def _questions(
    days: int,
) -> Iterator[tuple[str, Callable[[View, Question], object], Question]]:
    """A year from the middle of a month: of days and months."""
    first, last = FIRST + 14, FIRST + min(days - 1, 14 + 365)
    every = frozenset(map(SubAccountId, range(1, TENANTS + 1)))
    whole = Question(first, last, Kind.TOTAL, "", every)
    yield "year of an account", total, whole
    group = Question(first, last, Kind.GROUP, "key0", every)
    yield "year of a group", total, group
    yield "31 days of an account", by_day, Question(last - 31, last, *whole_of(whole))
    yield "31 days of a group", by_day, Question(last - 31, last, *whole_of(group))
    yield "year by sub-account", by_sub_account, whole
    for kind in KEYS:
        asked = Question(first, last, kind, "", every)
        yield f"year by {kind.label}", partial(by_key, most=1_000), asked


def whole_of(one: Question) -> tuple[Kind, str, frozenset[SubAccountId] | None]:
    """A question but for its days."""
    return one.kind, one.key, one.sub_accounts


async def _time(
    store: Store, ask: Callable[[View, Question], object], question: Question
) -> float:
    start = time.perf_counter()
    await Statistics(store, time.time_ns).catch_up()
    await store.read(ask, question)
    return (time.perf_counter() - start) * 1000


async def _fill(store: Store, days: int) -> None:
    dice = random.Random(1)  # noqa: S311 - a benchmark
    for day in range(FIRST, FIRST + days):
        rows = rows_of(_tallies(day, EVENTS // days, dice))
        # It counts as what is counted already: there is nothing of it in the log.
        await store.write(record_tally, Tally(COUNTED, COUNTED, rows))


def _tallies(day: int, events: int, dice: random.Random) -> Tallies:
    tallies: Tallies = {}
    for tenant in range(1, TENANTS + 1):
        for kind, number in KEYS.items():
            for place in range(number):
                key = f"key{place}" if kind else ""
                each = events // TENANTS // number // len(COUNTERS)
                counts = [dice.randrange(2 * each + 1) for _ in COUNTERS]
                tallies[kind, day * 24 + 12, tenant, key] = counts
    return tallies


async def _count(store: Store) -> float:
    """How many events a second are counted, of a log with mail of all kinds."""
    for start in range(0, COUNTED, 500):
        await store.write(_emit, start)
    start_s = time.perf_counter()
    await Statistics(store, time.time_ns).catch_up()
    return COUNTED / (time.perf_counter() - start_s)


def _emit(tx: Tx, start: int) -> None:
    for number in range(start, start + 500):
        about = About(
            SubAccountId(number % TENANTS + 1),
            uuid7(),
            uuid7(),
            f"shop@sender{number % 5}.example",
            f"user{number}@host{number % 500}.example",
            "main",
            "mta",
            Dimensions(tags=(f"t{number % 20}",), metadata={"order": str(number)}),
        )
        data = {"code": 250, "enhanced": "2.0.0", "text": "Ok", "attempt": 1}
        tx.emit(NewEvent(EventType.SENT, FIRST * 24 * HOUR_NS, about, data))
