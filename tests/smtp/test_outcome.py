import pytest

from appliance.smtp.outcome import (
    Broken,
    FailureClass,
    Fault,
    Rejected,
    Stage,
    failure_class,
)
from appliance.smtp.reply import Reply


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_has_a_class_and_a_timeout_is_one_anywhere(stage: Stage) -> None:
    """An operator is told one of seven kinds of failure, wherever it happened."""
    rejected = failure_class(Rejected(stage, Reply(550)))
    assert rejected is failure_class(Broken(stage, Fault.CLOSED, "x"))
    assert rejected is not FailureClass.TIMEOUT
    timeout = failure_class(Broken(stage, Fault.TIMEOUT, "x"))
    assert timeout is FailureClass.TIMEOUT


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.CONNECT, FailureClass.CONNECTION_REFUSED),
        (Stage.TLS, FailureClass.TLS_FAILED),
        (Stage.AUTH, FailureClass.AUTH_REJECTED),
        (Stage.MAIL, FailureClass.MAIL_FAILED),
        (Stage.RCPT, FailureClass.RCPT_FAILED),
        (Stage.DOT, FailureClass.DATA_FAILED),
    ],
)
def test_class_follows_the_stage(stage: Stage, expected: FailureClass) -> None:
    """The class names the step that failed."""
    assert failure_class(Rejected(stage, Reply(550))) is expected
