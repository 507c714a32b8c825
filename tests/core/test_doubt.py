import pytest

from appliance.core.delivery import State
from appliance.core.doubt import GIVEN_UP, Doubtful, Wish, conclude, proven
from appliance.core.event import EventType
from appliance.core.ids import DeliveryId, ProviderId
from appliance.core.retry import RetryPlan
from appliance.flow.settle import about
from tests.fakes.mail import make_copy

NOW = 1_800_000_000_000_000_000
PLAN = RetryPlan((60, 120))
ABOUT = about(make_copy(), "pool", "provider")


def doubtful(attempts: int = 1) -> Doubtful:
    """A delivery in doubt after so many tries."""
    why = "closed: the connection was lost"
    return Doubtful(DeliveryId(7), ProviderId(1), attempts, 0, why, ABOUT)


def test_what_is_sent_again_is_due_at_once_and_says_so() -> None:
    """It has waited; the event tells policy and cause, and no try is added."""
    settlement = conclude(doubtful(), Wish.RESEND, PLAN, NOW)
    assert (settlement.state, settlement.due_ns) == (State.QUEUED, NOW)
    assert settlement.attempts == 1
    assert settlement.event is not None
    assert settlement.event.type is EventType.IN_DOUBT
    assert settlement.event.data == {
        "policy": "resend",
        "reason": "closed: the connection was lost",
    }


@pytest.mark.parametrize("plan", [PLAN, RetryPlan(())])
def test_a_last_try_that_ends_in_doubt_is_made_once_more(plan: RetryPlan) -> None:
    """Nobody has refused the mail: it is not lost to a connection that broke."""
    settlement = conclude(doubtful(plan.tries), Wish.RESEND, plan, NOW)
    assert (settlement.state, settlement.due_ns) == (State.QUEUED, NOW)


@pytest.mark.parametrize("plan", [PLAN, RetryPlan(())])
def test_a_mail_that_always_ends_in_doubt_is_not_sent_for_ever(plan: RetryPlan) -> None:
    """The retry plan bounds these tries like all others, and grants one more."""
    last = conclude(doubtful(plan.tries + 1), Wish.RESEND, plan, NOW)
    assert last.state is State.DROPPED
    assert last.event is not None
    assert last.event.type is EventType.DROPPED
    assert last.event.data == {"policy": "resend", "reason": GIVEN_UP}


@pytest.mark.parametrize(
    ("wish", "state", "kind"),
    [
        (Wish.HOLD, State.HELD, EventType.IN_DOUBT),
        (Wish.DROP, State.DROPPED, EventType.DROPPED),
    ],
)
def test_an_operator_may_wish_otherwise(
    wish: Wish, state: State, kind: EventType
) -> None:
    """Each path is an event that names the policy."""
    settlement = conclude(doubtful(), wish, PLAN, NOW)
    assert (settlement.state, settlement.due_ns) == (state, None)
    assert settlement.event is not None
    assert settlement.event.type is kind
    assert settlement.event.data["policy"] == wish.value


@pytest.mark.parametrize(
    ("was_sent", "state", "kind"),
    [
        (True, State.SENT, EventType.SENT),
        (False, State.QUEUED, EventType.IN_DOUBT),
    ],
)
def test_evidence_ends_the_doubt(
    *, was_sent: bool, state: State, kind: EventType
) -> None:
    """Sent after all, or due again; the event says how we know."""
    settlement = proven(doubtful(), "queued as 4711", NOW, was_sent=was_sent)
    assert settlement.state is state
    assert settlement.event is not None
    assert settlement.event.type is kind
    assert settlement.event.data == {"policy": "evidence", "reason": "queued as 4711"}
