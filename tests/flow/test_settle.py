import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.delivery import State
from appliance.core.event import EventType
from appliance.core.retry import RetryPlan
from appliance.flow.facts import moment
from appliance.flow.settle import (
    MAX_TEXT,
    SECOND_NS,
    Policy,
    about,
    drop,
    settle,
    stumble,
)
from appliance.smtp.outcome import (
    Accepted,
    Broken,
    Fault,
    Obstacle,
    Outcome,
    Rejected,
    Stage,
    Unsendable,
    Untouched,
)
from appliance.smtp.reply import EnhancedCode, Reply
from tests.fakes.mail import make_copy

NOW = 1_800_000_000 * SECOND_NS
POLICY = Policy(RetryPlan((60, 120)))
OK = Reply(250, ("queued as 4711",), EnhancedCode(2, 0, 0))
BUSY = Reply(451, ("try later",))
NO = Reply(550, ("no such user",), EnhancedCode(5, 1, 1))
WHAT = about(make_copy(), "pool", "provider")

replies = st.builds(Reply, st.integers(400, 599), st.tuples(st.text(max_size=3_000)))
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Accepted, st.just(OK)),
    st.builds(Rejected, st.sampled_from(Stage), replies),
    st.builds(
        Broken,
        st.sampled_from(Stage),
        st.sampled_from(Fault),
        st.text(),
        st.booleans(),
    ),
    st.builds(Unsendable, st.sampled_from(Obstacle)),
    st.just(Untouched()),
)


@given(outcome=outcomes, attempts=st.integers(0, 5), permanent=st.booleans())
def test_sent_is_said_only_on_a_2xx(
    *, outcome: Outcome, attempts: int, permanent: bool
) -> None:
    """Whatever else happens, nothing counts as sent, and no end is without an event."""
    policy = Policy(RetryPlan((60, 120)), permanent_5xx=permanent)
    copy = make_copy(attempts=attempts)
    settlement = settle(copy, outcome, WHAT, policy, NOW)
    assert (settlement.state is State.SENT) == isinstance(outcome, Accepted)
    waits = settlement.state in (State.QUEUED, State.IN_DOUBT)
    assert (settlement.due_ns is not None) == waits
    tried, queued = settlement.attempts > attempts, settlement.state is State.QUEUED
    assert (settlement.event is not None) == (tried or not queued)
    if settlement.event is not None:
        assert (settlement.event.type is EventType.DEFERRED) == queued
    assert len(settlement.text) <= MAX_TEXT


def test_a_taken_mail_is_sent() -> None:
    """The event carries the upstream's own words."""
    settlement = settle(make_copy(), Accepted(OK), WHAT, POLICY, NOW)
    assert settlement.event is not None
    assert settlement.event.type is EventType.SENT
    assert settlement.event.data == {
        "code": 250,
        "enhanced": "2.0.0",
        "text": "queued as 4711",
        "attempt": 1,
    }


@pytest.mark.parametrize(
    "outcome",
    [
        Rejected(Stage.RCPT, BUSY),
        Rejected(Stage.DOT, NO),
        Broken(Stage.CONNECT, Fault.UNREACHABLE, "refused"),
        Broken(Stage.DOT, Fault.CLOSED, "gone"),
    ],
)
def test_a_failed_try_is_made_again_by_the_plan(outcome: Outcome) -> None:
    """Connection failures, 4xx and 5xx wait for the next pause, and then end."""
    first = settle(make_copy(), outcome, WHAT, POLICY, NOW)
    assert (first.state, first.attempts) == (State.QUEUED, 1)
    assert first.due_ns == NOW + 60 * SECOND_NS
    assert first.event is not None
    assert first.event.type is EventType.DEFERRED
    assert first.event.data["attempt"] == 1
    assert first.event.data["retryAt"] == moment(NOW + 60 * SECOND_NS)
    second = settle(make_copy(attempts=1), outcome, WHAT, POLICY, NOW)
    assert second.due_ns == NOW + 120 * SECOND_NS
    last = settle(make_copy(attempts=2), outcome, WHAT, POLICY, NOW)
    assert (last.state, last.attempts) == (State.DROPPED, 3)
    assert last.event is not None
    assert last.event.type is EventType.DROPPED


def test_what_broke_behind_its_final_dot_is_in_doubt() -> None:
    """Neither sent nor tried again before evidence had its time; the event says so."""
    policy = Policy(RetryPlan((60,)), in_doubt_seconds=600)
    outcome = Broken(Stage.DOT, Fault.CLOSED, "gone", after_dot=True)
    settlement = settle(make_copy(attempts=1), outcome, WHAT, policy, NOW)
    assert (settlement.state, settlement.attempts) == (State.IN_DOUBT, 2)
    assert settlement.due_ns == NOW + 600 * SECOND_NS
    assert settlement.event is not None
    assert settlement.event.type is EventType.IN_DOUBT
    assert settlement.event.data == {"reason": "closed: gone"}


def test_a_drop_says_what_the_upstream_said() -> None:
    """Who asks why a mail did not arrive reads it in the event."""
    settlement = settle(
        make_copy(attempts=2), Rejected(Stage.DOT, NO), WHAT, POLICY, NOW
    )
    assert settlement.event is not None
    assert settlement.event.data == {
        "reason": "550 5.1.1 no such user",
        "stage": "dot",
        "attempt": 3,
        "code": 550,
        "enhanced": "5.1.1",
        "text": "no such user",
    }


def test_a_5xx_ends_it_at_once_where_the_policy_says_so() -> None:
    """Only an answer about this mail: a refused login says nothing about it."""
    policy = Policy(RetryPlan((60,)), permanent_5xx=True)
    for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT):
        ended = settle(make_copy(), Rejected(stage, NO), WHAT, policy, NOW)
        assert ended.state is State.DROPPED
    for stage in (Stage.CONNECT, Stage.EHLO, Stage.AUTH):
        waits = settle(make_copy(), Rejected(stage, NO), WHAT, policy, NOW)
        assert waits.state is State.QUEUED


def test_what_was_not_looked_at_is_no_try() -> None:
    """Handed back is due now with as many attempts as before."""
    settlement = settle(make_copy(attempts=1), Untouched(), WHAT, POLICY, NOW)
    assert settlement == type(settlement)(make_copy().id, State.QUEUED, 1, NOW)


def test_what_cannot_be_sent_is_dropped_at_once() -> None:
    """No retry makes an upstream offer what it does not have."""
    outcome = Unsendable(Obstacle.TOO_LARGE)
    settlement = settle(make_copy(), outcome, WHAT, POLICY, NOW)
    assert settlement.state is State.DROPPED
    assert settlement.event is not None
    assert settlement.event.data == {"reason": Obstacle.TOO_LARGE.value}


def test_a_reason_is_kept_within_bounds() -> None:
    """An endless reason fills no disk."""
    settlement = drop(make_copy(), "x" * 5_000, WHAT, NOW)
    assert len(settlement.text) == MAX_TEXT


def test_a_fault_of_ours_counts_as_a_try() -> None:
    """A mail that we cannot make is tried by the plan, and not for ever."""
    first = stumble(make_copy(), WHAT, POLICY, NOW)
    assert (first.state, first.attempts) == (State.QUEUED, 1)
    last = stumble(make_copy(attempts=2), WHAT, POLICY, NOW)
    assert last.state is State.DROPPED
    assert last.event is not None
    assert "fault of Postroom" in str(last.event.data["reason"])
