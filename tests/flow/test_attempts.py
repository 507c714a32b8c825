"""What a try says of the mail, and what of the upstream."""

import pytest

from appliance.core.attempt import Ending
from appliance.core.delivery import State
from appliance.flow.attempts import attempt_of, is_unwell, is_well, not_reached
from appliance.flow.lane import Job
from appliance.flow.settle import about, postpone
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

NOW_NS = 1_700_000_000_000_000_000
BUSY = Reply(421, ("busy",), EnhancedCode(4, 3, 2))
LATER = Reply(450, ("later",))


@pytest.mark.parametrize(
    ("outcome", "ending", "said"),
    [
        (Accepted(Reply(250)), Ending.ACCEPTED, "well"),
        (Rejected(Stage.RCPT, LATER), Ending.REJECTED, "well"),
        (Rejected(Stage.DOT, LATER), Ending.REJECTED, "well"),
        (Rejected(Stage.MAIL, BUSY), Ending.REJECTED, "unwell"),
        (Rejected(Stage.CONNECT, BUSY), Ending.NOT_REACHED, "unwell"),
        (Rejected(Stage.CONNECT, LATER), Ending.NOT_REACHED, "unwell"),
        (Rejected(Stage.AUTH, Reply(535)), Ending.NOT_REACHED, "unwell"),
        (Broken(Stage.CONNECT, Fault.TIMEOUT, ""), Ending.NOT_REACHED, "unwell"),
        (Broken(Stage.EHLO, Fault.GARBAGE, ""), Ending.NOT_REACHED, "unwell"),
        (Broken(Stage.TLS, Fault.TLS, ""), Ending.NOT_REACHED, "unwell"),
        (Broken(Stage.MAIL, Fault.TIMEOUT, ""), Ending.BROKEN, "nothing"),
        (Broken(Stage.DOT, Fault.CLOSED, ""), Ending.BROKEN, "nothing"),
        (Broken(Stage.DOT, Fault.CLOSED, "", True), Ending.IN_DOUBT, "nothing"),
        (Unsendable(Obstacle.TOO_LARGE), Ending.UNSENDABLE, "nothing"),
    ],
)
def test_each_ending_is_told_apart(outcome: Outcome, ending: Ending, said: str) -> None:
    """A 4xx, a 5xx, a hang-up, a silence: of the mail, of the upstream or neither."""
    job = Job(make_copy(), about(make_copy(), "pool", "provider"), "s@b.test", b"")
    attempt = attempt_of(job, outcome, NOW_NS)
    assert attempt is not None
    assert (attempt.ending, attempt.ended_ns) == (ending, NOW_NS)
    assert is_well(outcome) == (said == "well")
    assert is_unwell(outcome) == (said == "unwell")
    assert not_reached(outcome) == (ending is Ending.NOT_REACHED)


def test_what_was_handed_back_was_no_try() -> None:
    """Nothing is remembered of it."""
    job = Job(make_copy(), about(make_copy(), "pool", "provider"), "s@b.test", b"")
    assert attempt_of(job, Untouched(), NOW_NS) is None


def test_mail_that_reached_nobody_keeps_its_tries() -> None:
    """It waits, says for what, and has as many tries as before."""
    copy = make_copy(attempts=2)
    waits = postpone(copy, Rejected(Stage.CONNECT, BUSY), NOW_NS + 5, "provider a")
    assert (waits.state, waits.attempts, waits.due_ns) == (State.QUEUED, 2, NOW_NS + 5)
    assert (waits.code, waits.text) == (421, "421 4.3.2 busy")
    assert (waits.waits_for, waits.event) == ("provider a", None)
