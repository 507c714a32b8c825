"""What follows from how a try ended: a pure function from outcome to settlement.

A delivery is sent only on an upstream's 2xx. One whose final dot may have arrived
without an answer is in doubt. Everything else is tried again by the plan and then
dropped, except what no retry can change. Each try that failed and is followed by
another is an event too: two of the dialects tell it. What the upstream
said goes into the event as hostile text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from appliance.core.attempt import NewAttempt
from appliance.core.breaker import PATIENCE, Patience
from appliance.core.delivery import Copy, Settlement, State
from appliance.core.doubt import doubted
from appliance.core.event import About, EventType, NewEvent, Scalar
from appliance.core.retry import RetryPlan
from appliance.core.suppression import Stop, suppressed_data
from appliance.flow.facts import moment
from appliance.smtp.outcome import (
    Accepted,
    Broken,
    Outcome,
    Rejected,
    Stage,
    Unsendable,
    Untouched,
)
from appliance.smtp.reply import Reply

SECOND_NS = 1_000_000_000
PERMANENT = 5
OUR_FAULT = "could not be made ready: a fault of Postroom, see its log"
MAX_TEXT = 1_000  # characters of an upstream's words that are kept


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the relay is; ``permanent_5xx`` drops on the first 5xx.

    What is in doubt waits so many seconds for evidence. ``limit_wait_seconds`` is how
    long a limit may hold a mail back. ``upstreams`` is the patience
    with those that cannot be reached.
    """

    plan: RetryPlan
    permanent_5xx: bool = False
    in_doubt_seconds: float = 600.0
    upstreams: Patience = PATIENCE
    limit_wait_seconds: float = 72 * 3600.0


def about(copy: Copy, pool: str, provider: str) -> About:
    """What an event says about the delivery it is about."""
    return About(
        sub_account=copy.sub_account,
        message=copy.message_uuid,
        delivery=copy.uuid,
        sender=copy.sender,
        recipient=str(copy.recipient),
        pool=pool,
        provider=provider,
        dimensions=copy.dimensions,
    )


def settle(
    copy: Copy,
    outcome: Outcome,
    what: About,
    policy: Policy,
    now_ns: int,
    *,
    attempt: NewAttempt | None = None,
) -> Settlement:
    """The settlement of one try that ended with ``outcome`` at ``now_ns``."""
    if isinstance(outcome, Accepted):
        return _sent(copy, outcome.reply, what, now_ns, attempt)
    settlement = _not_sent(copy, outcome, what, policy, now_ns)
    return settlement if attempt is None else replace(settlement, attempt=attempt)


def _not_sent(
    copy: Copy,
    outcome: Rejected | Broken | Unsendable | Untouched,
    what: About,
    policy: Policy,
    now_ns: int,
) -> Settlement:
    match outcome:
        case Untouched():
            return Settlement(copy.id, State.QUEUED, copy.attempts, now_ns)
        case Unsendable(obstacle):
            return drop(copy, obstacle.value, what, now_ns)
        case Rejected() if policy.permanent_5xx and _is_permanent(outcome):
            return _dropped_after(copy, _failure(outcome), what, now_ns)
        case Broken(after_dot=True):
            return _in_doubt(copy, outcome, what, policy, now_ns)
        case Rejected() | Broken():
            return _again_or_dropped(copy, _failure(outcome), what, policy, now_ns)


def postpone(
    copy: Copy,
    outcome: Rejected | Broken,
    due_ns: int,
    waits_for: str,
    attempt: NewAttempt | None = None,
) -> Settlement:
    """The settlement of what no upstream was reached by; that is no try of it."""
    failure = _failure(outcome)
    return Settlement(
        copy.id,
        State.QUEUED,
        copy.attempts,
        due_ns,
        failure.code,
        failure.text,
        waits_for=waits_for,
        attempt=attempt,
    )


def stumble(copy: Copy, what: About, policy: Policy, now_ns: int) -> Settlement:
    """The settlement of a try that a fault of ours ended.

    It counts like any other, so a mail that we cannot make is neither lost at
    once nor tried for ever.
    """
    return _again_or_dropped(copy, _Failure(0, OUR_FAULT), what, policy, now_ns)


def drop(
    copy: Copy, reason: str, what: About, now_ns: int, stop: Stop | None = None
) -> Settlement:
    """The end of a delivery that no upstream was, or need be, asked about.

    ``stop`` is the suppression that is why, if one is.
    """
    reason = reason[:MAX_TEXT]
    why = {} if stop is None else suppressed_data(stop)
    event = NewEvent(EventType.DROPPED, now_ns, what, {"reason": reason, **why})
    return Settlement(copy.id, State.DROPPED, copy.attempts, text=reason, event=event)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failed try in the words of the event that may come of it."""

    code: int
    text: str
    data: Mapping[str, Scalar] = field(default_factory=dict)


def _sent(
    copy: Copy, reply: Reply, what: About, now_ns: int, attempt: NewAttempt | None
) -> Settlement:
    data = {**_words(reply), "attempt": copy.attempts + 1}
    return Settlement(
        copy.id,
        State.SENT,
        copy.attempts + 1,
        code=reply.code,
        text=reply.text[:MAX_TEXT],
        event=NewEvent(EventType.SENT, now_ns, what, data),
        attempt=attempt,
    )


def _in_doubt(
    copy: Copy, outcome: Broken, what: About, policy: Policy, now_ns: int
) -> Settlement:
    text = _failure(outcome).text
    return Settlement(
        copy.id,
        State.IN_DOUBT,
        copy.attempts + 1,
        now_ns + int(policy.in_doubt_seconds * SECOND_NS),
        text=text,
        event=doubted(what, text, now_ns),
    )


def _again_or_dropped(
    copy: Copy, failure: _Failure, what: About, policy: Policy, now_ns: int
) -> Settlement:
    attempts = copy.attempts + 1
    pause = policy.plan.pause_after(attempts)
    if pause is None:
        return _dropped_after(copy, failure, what, now_ns)
    due_ns = now_ns + pause * SECOND_NS
    told: dict[str, Scalar] = {"attempt": attempts, "retryAt": moment(due_ns)}
    data = {"reason": failure.text, **failure.data, **told}
    event = NewEvent(EventType.DEFERRED, now_ns, what, data)
    return Settlement(
        copy.id, State.QUEUED, attempts, due_ns, failure.code, failure.text, event
    )


def _dropped_after(
    copy: Copy, failure: _Failure, what: About, now_ns: int
) -> Settlement:
    attempts = copy.attempts + 1
    data = {"reason": failure.text, **failure.data, "attempt": attempts}
    event = NewEvent(EventType.DROPPED, now_ns, what, data)
    return Settlement(
        copy.id, State.DROPPED, attempts, None, failure.code, failure.text, event
    )


def _is_permanent(failure: Rejected) -> bool:
    about_this_mail = failure.stage in (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT)
    return failure.reply.severity == PERMANENT and about_this_mail


def _failure(outcome: Rejected | Broken) -> _Failure:
    data: dict[str, Scalar] = {"stage": outcome.stage.value}
    if isinstance(outcome, Rejected):
        reply = outcome.reply
        return _Failure(reply.code, str(reply)[:MAX_TEXT], data | _words(reply))
    text = f"{outcome.fault.value}: {outcome.detail}"
    return _Failure(0, text[:MAX_TEXT], data)


def _words(reply: Reply) -> dict[str, Scalar]:
    words: dict[str, Scalar] = {"code": reply.code, "text": reply.text[:MAX_TEXT]}
    if reply.enhanced is not None:
        words["enhanced"] = str(reply.enhanced)
    return words
