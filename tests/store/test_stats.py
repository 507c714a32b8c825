"""The counters: exact, bounded, and in step with the log whatever happens to it."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import About, EventType, NewEvent, Scalar
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.recipient_class import RecipientClass
from appliance.core.stats import (
    HOUR_NS,
    Counts,
    Kind,
    Question,
    Said,
    day_number,
    hour_of,
    month_number,
    periods,
)
from appliance.core.submission import Dimensions
from appliance.store import stats
from appliance.store.database import Store
from appliance.store.recipient_classes import Known, keep_classes
from appliance.store.retention import prune
from appliance.store.stat_answers import (
    by_day,
    by_hour,
    by_key,
    by_sub_account,
    total,
)
from appliance.store.stat_check import Verdict, check_stats
from appliance.store.stats import (
    count_next,
    counted_number,
    forget_hours,
    read_tally,
    record_tally,
)
from appliance.store.transaction import Tx, View

DAY = day_number(date(2026, 3, 1))
DAY_NS = 24 * HOUR_NS
START_NS = DAY * DAY_NS
ALWAYS = Question(0, DAY + 1_000)
EXTRA = Dimensions(
    groups=("a", "b", "a"),
    tags=("t",),
    topic="news",
    campaign="spring",
    metadata={"order": "4711"},
)


def about(
    recipient: str = "bob@gmail.com",
    *,
    provider: str = "mta",
    dimensions: Dimensions = EXTRA,
    sub_account: int = 1,
) -> About:
    """A delivery of the pool `main`."""
    return About(
        SubAccountId(sub_account), uuid7(), uuid7(), '"x@y"@shop.example', recipient,
        "main", provider, dimensions,
    )  # fmt: skip


def event(
    type_: EventType, at_ns: int = START_NS, what: About | None = None, **data: Scalar
) -> NewEvent:
    """A fact with that in it."""
    return NewEvent(type_, at_ns, what or about(), data)


def emit(tx: Tx, events: Sequence[NewEvent]) -> None:
    """Record facts."""
    for one in events:
        tx.emit(one)


async def write(store: Store, *events: NewEvent) -> None:
    """Record facts in one commit."""
    await store.write(emit, events)


async def count(store: Store, at_a_time: int = 1_000) -> None:
    """Count all that is there."""
    while await store.write(count_next, at_a_time):
        pass


async def keys(store: Store, kind: Kind) -> dict[str, Counts]:
    """What is counted of a kind."""
    return await store.read(by_key, Question(0, DAY + 1_000, kind), 10_000)


async def verdict(store: Store) -> Verdict:
    """What a recount finds."""
    return await store.read(check_stats, lambda _: None)


async def test_each_event_is_counted_by_all_that_it_says(store: Store) -> None:
    """Each of its groups once; a key that it has not is not counted."""
    await write(
        store,
        event(EventType.PROCESSED, what=about(provider="")),
        event(EventType.SENT, code=250, enhanced="2.0.0"),
        event(EventType.DROPPED, stage="rcpt", code=550, enhanced="5.1.1", reason="x"),
        event(EventType.DROPPED, reason="Recipient is suppressed"),
        event(EventType.OPENED, first=True),
        event(EventType.OPENED),
    )
    await count(store)
    found = await store.read(total, ALWAYS)
    assert found == Counts(
        processed=1, sent=1, dropped=1, smtp_dropped=1, opened=2, unique_opened=1
    )
    for kind, key in (
        (Kind.POOL, "main"),
        (Kind.DOMAIN, "shop.example"),
        (Kind.CLASS, "gmail"),
        (Kind.TAG, "t"),
        (Kind.TOPIC, "news"),
        (Kind.CAMPAIGN, "spring"),
    ):
        assert await keys(store, kind) == {key: found}
    assert await keys(store, Kind.GROUP) == {"a": found, "b": found}
    by_provider = await keys(store, Kind.PROVIDER)
    assert by_provider["mta"].processed == 0
    assert by_provider["mta"].sent == 1
    codes = await keys(store, Kind.CODE)
    assert {Said.parse(one): counts for one, counts in codes.items()} == {
        Said(250, "2.0.0", "mta"): Counts(sent=1),
        Said(550, "5.1.1", "mta"): Counts(smtp_dropped=1),
    }
    assert await store.read(by_sub_account, ALWAYS) == {1: found}


async def test_what_is_no_mails_is_not_counted(store: Store) -> None:
    """And is no reason to stand still."""
    await write(store, event(EventType.PROVIDER_DOWN), event(EventType.IN_DOUBT))
    await count(store)
    assert await store.read(counted_number) == 2
    assert await store.read(total, ALWAYS) == Counts()


async def test_odd_words_of_a_server_stop_nobody(store: Store) -> None:
    """What has no code is no code; the rest of such an event counts."""
    await write(
        store,
        event(EventType.SENT, code="250", enhanced="x y", first="no"),
        event(EventType.SENT, code=250, enhanced=5),
        event(EventType.SENT, code=0),
    )
    await count(store)
    assert (await store.read(total, ALWAYS)).sent == 3
    assert await keys(store, Kind.CODE) == {"250 - mta": Counts(sent=1)}


async def test_days_and_hours_are_those_of_the_event(store: Store) -> None:
    """In UTC, by when it happened, not by when it was heard of."""
    moments = (START_NS, START_NS - 1, START_NS + HOUR_NS, START_NS + DAY_NS)
    await write(store, *(event(EventType.SENT, one) for one in moments))
    await count(store)
    days = await store.read(by_day, Question(DAY - 1, DAY + 2))
    assert [one.sent for one in days.values()] == [1, 2, 1, 0]
    assert next(iter(days)) == date(2026, 2, 28)
    hours = await store.read(by_hour, Question(DAY, DAY))
    assert {hour_of(one).hour: counts.sent for one, counts in hours.items()} == {
        0: 1,
        1: 1,
    }


async def test_sub_accounts_are_kept_apart(store: Store) -> None:
    """ATTACKS 12: nobody counts the mail of others."""
    for owner in (1, 2, 2):
        await write(store, event(EventType.SENT, what=about(sub_account=owner)))
    await count(store)
    for owners, number in (({1}, 1), ({2}, 2), ({1, 2}, 3), (set(), 0), ({3}, 0)):
        ours = frozenset(map(SubAccountId, owners))
        for kind, key in ((Kind.TOTAL, ""), (Kind.GROUP, "a")):
            asked = Question(DAY, DAY, kind, key, ours)
            assert (await store.read(total, asked)).sent == number
        found = await store.read(by_key, Question(DAY, DAY, Kind.TAG, "", ours), 9)
        assert sum(one.sent for one in found.values()) == number


async def test_the_class_is_the_one_that_is_known(store: Store) -> None:
    """By name, else by the MX records that were looked up for other reasons."""
    known = Known("firm.example", RecipientClass.OFFICE365, 1)
    await store.write(keep_classes, [known], 10)
    for to in ("a@firm.example", "a@other.example", '"a@gmail.com"@yahoo.com'):
        await write(store, event(EventType.SENT, what=about(to)))
    await count(store)
    assert {*await keys(store, Kind.CLASS)} == {"office365", "default", "yahoo"}


async def test_a_tally_counts_once(store: Store) -> None:
    """Two that count the same at a time, or a commit that did not come, double none."""
    await write(store, *(event(EventType.SENT) for _ in range(5)))
    first = await store.read(read_tally, 3)
    again = await store.read(read_tally, 3)
    assert first is not None
    assert again is not None
    assert await store.write(record_tally, first)
    assert not await store.write(record_tally, again)
    assert (await store.read(total, ALWAYS)).sent == 3
    await count(store, 3)
    assert await store.read(read_tally, 3) is None
    assert (await store.read(total, ALWAYS)).sent == 5
    assert (await verdict(store)).wrong == 0


async def test_made_up_keys_are_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tag for each mail makes no row for each mail; nothing is left uncounted."""
    monkeypatch.setattr(stats, "MAX_KEYS", 3)
    for number in range(9):
        tagged = Dimensions(tags=(f"tag{number}" * 99,))
        await write(store, event(EventType.SENT, what=about(dimensions=tagged)))
    await count(store, 2)
    found = await keys(store, Kind.TAG)
    assert len(found) == 4
    assert found[""].sent == 6
    assert max(map(len, found)) <= 256
    assert (await verdict(store)).wrong == 0


def _prune(tx: Tx, now_ns: int) -> int:
    return prune(
        tx, now_ns, keep_events_ns=DAY_NS, keep_messages_ns=DAY_NS, keep_keys_ns=DAY_NS,
        batch=10,
    ).events  # fmt: skip


async def test_pruned_events_stay_counted_and_can_be_checked(store: Store) -> None:
    """What the log has no longer is remembered as a number; a day later too."""
    for day in range(5):
        at_ns = START_NS + day * DAY_NS
        await write(store, event(EventType.SENT, at_ns), event(EventType.OPENED, at_ns))
    assert await store.write(_prune, START_NS + 4 * DAY_NS) == 6
    await count(store)
    assert (await store.read(total, ALWAYS)).sent == 5
    found = await verdict(store)
    assert (found.events, found.forgotten, found.wrong) == (4, 6, 0)
    assert found.counters > 10


def _delete_all(tx: Tx) -> int:
    return tx.db.execute("DELETE FROM event").rowcount


async def test_what_is_not_counted_cannot_be_pruned(store: Store) -> None:
    """Whoever deletes, and however."""
    await write(store, event(EventType.SENT))
    await count(store)
    await write(store, event(EventType.SENT))
    await store.write(_delete_all)
    await count(store)
    assert (await store.read(total, ALWAYS)).sent == 2
    assert (await verdict(store)).wrong == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE stat SET sent = 3 WHERE kind = 0 AND span = 1 AND period > 1",
         "2026-03-02, sub-account 1, total: sent is 3, logged 1"),
        ("UPDATE stat SET sent = 3 WHERE kind = 0 AND span = 0",
         "do not add up to day"),
        ("DELETE FROM stat WHERE kind = 6 AND span = 2", "tag 't' of sub-account 1"),
        ("DELETE FROM stat WHERE kind = 4 AND span = 1", "class: sent is 0, logged 1"),
        ("UPDATE stat_forgotten SET events = 9",
         "before 2026-03-02: counted 1, logged 9"),
        ("DELETE FROM event", "total: sent is 1, logged 0"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told(store: Store, change: str, told: str) -> None:
    """A counter that somebody changed, lost or doubled; and a log that lost events."""
    await write(store, *(event(EventType.SENT, START_NS + n * DAY_NS) for n in (0, 1)))
    assert await store.write(_prune, START_NS + DAY_NS + 1) == 1
    assert (await verdict(store)).wrong == 0

    def spoil(tx: Tx) -> None:
        tx.db.execute("DROP TRIGGER event_forgotten")
        tx.db.execute(change)

    await store.write(spoil)
    found = await verdict(store)
    assert found.wrong
    assert told in " ".join(found.differences)


async def test_old_hours_go_and_their_days_stay(store: Store) -> None:
    """A few at a time; what is left still adds up."""
    for day in range(8):
        await write(store, event(EventType.SENT, START_NS + day * DAY_NS))
    await count(store)
    passes = 0
    while await store.write(forget_hours, (DAY + 6) * 24):
        passes += 1
    assert passes == 3
    assert len(await store.read(by_hour, Question(DAY, DAY + 9))) == 2
    assert (await store.read(total, ALWAYS)).sent == 8
    assert (await verdict(store)).wrong == 0


@given(st.integers(0, 200_000), st.integers(0, 1_500))
def test_a_time_is_covered_once_by_few_periods(first: int, length: int) -> None:
    """Every day of it is in one period, and a year is not more than 73 of them."""
    last = first + length
    covered: list[int] = []
    found = list(periods(first, last))
    for span, period in found:
        days = [period] if span.name == "DAY" else _days_of(period)
        covered += days
    assert covered == list(range(first, last + 1))
    assert len(found) <= 62 + length // 28


def _days_of(month: int) -> list[int]:
    first = day_number(date(month // 12, month % 12 + 1, 1))
    return [one for one in range(first, first + 31) if month_number(one) == month]


@given(st.integers(100, 999), st.sampled_from(["", "5.1.1"]), st.text())
def test_what_was_said_comes_back_from_its_key(
    code: int, enhanced: str, provider: str
) -> None:
    """A provider may be called anything."""
    said = Said(code, enhanced, provider)
    assert Said.parse(said.key) == said


def _plan(view: View) -> str:
    rows = view.db.execute(
        "EXPLAIN QUERY PLAN SELECT sum(s.sent) FROM json_each('[]') AS p"
        " CROSS JOIN stat AS s ON s.kind = 1 AND s.span = p.value ->> 0"
        " AND s.period = p.value ->> 1 AND s.sub_account IN (SELECT value FROM"
        " json_each('[]')) AND s.key = 'x'"
    )
    return " ".join(row[3] for row in rows)


async def test_an_answer_looks_up_what_it_needs(store: Store) -> None:
    """Every column of the key is used: nothing is read that is not asked for."""
    plan = await store.read(_plan)
    assert "kind=? AND span=? AND period=? AND key=? AND sub_account=?" in plan
