"""From how a try ended to what is remembered of it, and to what it says of whom.

A try that no upstream was reached by says something of the upstream and nothing of
the mail; an answer behind MAIL is about the mail. A 421 is about both: the upstream
is going away, and this mail has had its turn, so that no mail can be the cause of it
for ever.
"""

from appliance.core.attempt import Ending, NewAttempt
from appliance.flow.lane import Job
from appliance.smtp.outcome import (
    Accepted,
    Broken,
    Outcome,
    Rejected,
    Stage,
    Unsendable,
    Untouched,
)
from appliance.smtp.reply import SERVICE_CLOSING, Reply
from appliance.store.attempt_codec import encode_trail

MAX_TEXT = 1_000  # characters of an upstream's words that are kept
SECOND_NS = 1_000_000_000
ACCEPTED, DOT = Ending.ACCEPTED, Stage.DOT.value
BEFORE_MAIL = frozenset({Stage.CONNECT, Stage.EHLO, Stage.TLS, Stage.AUTH})


def not_reached(outcome: Outcome) -> bool:
    """True if there was no connection that takes mail."""
    return isinstance(outcome, Rejected | Broken) and outcome.stage in BEFORE_MAIL


def is_unwell(outcome: Outcome) -> bool:
    """True if the outcome says that the upstream is not well."""
    if isinstance(outcome, Rejected) and outcome.reply.code == SERVICE_CLOSING:
        return True
    return not_reached(outcome)


def is_well(outcome: Outcome) -> bool:
    """True if the upstream has spoken about the mail itself."""
    if isinstance(outcome, Accepted):
        return True
    return isinstance(outcome, Rejected) and not is_unwell(outcome)


def attempt_of(job: Job, outcome: Outcome, now_ns: int) -> NewAttempt | None:
    """The try as it is remembered; None if none was made."""
    if isinstance(outcome, Untouched):
        return None
    trail = job.trail
    ending, stage, code, text = _told(outcome)
    return NewAttempt(
        job.copy.provider,
        now_ns - int((trail.ended_at - trail.began_at) * SECOND_NS),
        now_ns,
        ending,
        stage,
        code,
        text[:MAX_TEXT],
        encode_trail(trail),
    )


def _told(
    outcome: Accepted | Rejected | Broken | Unsendable,
) -> tuple[Ending, str, int, str]:
    if isinstance(outcome, Accepted):  # nearly always, so it is asked for first
        return ACCEPTED, DOT, outcome.reply.code, outcome.reply.text
    match outcome:
        case Rejected(stage, reply):
            ending = Ending.NOT_REACHED if stage in BEFORE_MAIL else Ending.REJECTED
            return ending, stage.value, reply.code, _words(reply)
        case Broken(stage, fault, detail):
            return _broken(outcome), stage.value, 0, f"{fault.value}: {detail}"
        case Unsendable(obstacle):
            return Ending.UNSENDABLE, Stage.MAIL.value, 0, obstacle.value


def _broken(outcome: Broken) -> Ending:
    if outcome.after_dot:
        return Ending.IN_DOUBT
    return Ending.NOT_REACHED if outcome.stage in BEFORE_MAIL else Ending.BROKEN


def _words(reply: Reply) -> str:
    return reply.text if reply.enhanced is None else f"{reply.enhanced} {reply.text}"
