"""A delivery that may have been sent: what becomes of it when nobody knows better.

Between the final dot and the recorded answer lies the one moment that no queue can
hide. What stood in it is said to be in doubt, waits for evidence for a while, and
then follows the operator's wish. A second copy under the same Message-ID is one that
servers and readers can tell from the first; a mail that is lost tells nobody.
"""

from dataclasses import dataclass
from enum import Enum

from appliance.core.delivery import Settlement, State
from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import DeliveryId, ProviderId
from appliance.core.retry import RetryPlan


class Wish(Enum):
    """What is done about a delivery in doubt for which no evidence came."""

    RESEND = "resend"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A delivery in doubt; ``text`` says how that came.

    ``reported`` is evidence that had come before the doubt: the upstream's log has it.
    """

    delivery: DeliveryId
    provider: ProviderId | None
    attempts: int
    code: int
    text: str
    about: About
    reported: bool = False


REPORTED = "It was reported what became of it"
GIVEN_UP = "In doubt: it may have been sent, and is not tried again"


def doubted(about: About, reason: str, now_ns: int) -> NewEvent:
    """The event that a delivery is in doubt from now on."""
    return NewEvent(EventType.IN_DOUBT, now_ns, about, {"reason": reason})


def conclude(one: Doubtful, wish: Wish, plan: RetryPlan, now_ns: int) -> Settlement:
    """What follows from a wish; the plan bounds the tries that end in doubt too.

    But a doubt is no answer to the mail, so where the last try of the plan ends in one,
    the mail is sent once more. Where there is evidence, no wish is asked.
    """
    if one.reported:
        return proven(one, REPORTED, now_ns, was_sent=True)
    data = {"policy": wish.value, "reason": one.text}
    event = NewEvent(EventType.IN_DOUBT, now_ns, one.about, data)
    if wish is Wish.HOLD:
        return _settled(one, State.HELD, event, one.text)
    if wish is Wish.RESEND and one.attempts <= plan.tries:
        return _settled(one, State.QUEUED, event, one.text, due_ns=now_ns)
    data = {**data, "reason": GIVEN_UP}
    event = NewEvent(EventType.DROPPED, now_ns, one.about, data)
    return _settled(one, State.DROPPED, event, GIVEN_UP)


def proven(one: Doubtful, evidence: str, now_ns: int, *, was_sent: bool) -> Settlement:
    """What follows from evidence, in words that say where it came from."""
    data = {"policy": "evidence", "reason": evidence}
    if was_sent:
        event = NewEvent(EventType.SENT, now_ns, one.about, data)
        return _settled(one, State.SENT, event, evidence)
    event = NewEvent(EventType.IN_DOUBT, now_ns, one.about, data)
    return _settled(one, State.QUEUED, event, evidence, due_ns=now_ns)


def _settled(
    one: Doubtful,
    state: State,
    event: NewEvent,
    text: str,
    *,
    due_ns: int | None = None,
) -> Settlement:
    return Settlement(one.delivery, state, one.attempts, due_ns, one.code, text, event)
