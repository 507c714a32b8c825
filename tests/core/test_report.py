"""What is news of a delivery that has been reported on before."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import EventType
from appliance.core.report import ENDS, Report, Via, is_news

D, H, S = EventType.DELIVERED, EventType.HARD_BOUNCED, EventType.SOFT_BOUNCED


def recorded(*reports: EventType) -> list[EventType]:
    """What is recorded of reports that come in this order."""
    told: list[EventType] = []
    for one in reports:
        if is_news(one, frozenset(told)):
            told.append(one)
    return told


def test_the_first_end_counts_and_a_bounce_may_follow_delivery() -> None:
    """A later hard bounce upgrades a soft one; what comes late changes nothing."""
    assert recorded(D, D, H, H, S, D) == [D, H]
    assert recorded(S, D, H, S) == [S, H]
    assert recorded(D, S, S, H) == [D, S, H]
    assert recorded(H, D, S) == [H]


def test_a_complaint_is_recorded_once_beside_any_end() -> None:
    """Who calls a mail spam has it, and may still bounce it."""
    complained = EventType.COMPLAINED
    assert recorded(complained, D, complained, H) == [complained, D, H]


def test_each_source_has_its_words() -> None:
    """As `explain` shows them."""
    assert len({one.words for one in Via}) == len(Via)


@given(st.lists(st.sampled_from(sorted(ENDS))))
def test_replays_in_any_order_record_nothing_twice(reports: list[EventType]) -> None:
    """ATTACKS 24: replays, reordered and late events, from two sources."""
    told = recorded(*reports)
    assert len(told) == len(set(told))
    assert recorded(*reports, *reports) == told
    assert (H in told) == (H in reports)
    if H in told:
        assert told[-1] is H
    assert bool(told) == bool(reports)


@given(st.integers(), st.integers(0, 10), st.integers(10, 20))
def test_no_clock_puts_a_report_out_of_its_mails_time(
    at_ns: int, accepted_ns: int, now_ns: int
) -> None:
    """ATTACKS 25: a reporter's time goes backwards, or runs far ahead."""
    moment = Report(D, UUID(int=1), at_ns=at_ns).moment(accepted_ns, now_ns)
    assert accepted_ns <= moment <= now_ns
