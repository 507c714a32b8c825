"""The words for what went wrong with a provider."""

import pytest

from appliance.cli.steps import cause, step_facts
from appliance.dialects.failures import FAILURE_WORDS
from appliance.smtp.outcome import FailureClass, ProbeStep, Stage


@pytest.mark.parametrize("failure", FailureClass)
def test_every_failure_has_its_word(failure: FailureClass) -> None:
    """People and scripts are told the same one."""
    step = ProbeStep(Stage.RCPT, 550, "no\x1b[2J", 7, failure)
    assert step_facts(step)["failure"] == FAILURE_WORDS[failure]
    assert cause([step]) == f"{FAILURE_WORDS[failure]} at rcpt: no\\x1b[2J"


def test_success_has_no_cause() -> None:
    """None is made up."""
    step = ProbeStep(Stage.QUIT, 221, "bye", 7)
    assert step_facts(step)["failure"] is None
    assert not cause([step])
