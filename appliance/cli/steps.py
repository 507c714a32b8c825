"""What the test of a provider looks like: its steps, and why it failed."""

from collections.abc import Sequence

from appliance.cli.common import Call
from appliance.cli.show import line, plain, table
from appliance.dialects.failures import FAILURE_WORDS
from appliance.smtp.outcome import ProbeStep


def show_steps(call: Call, name: str, steps: Sequence[ProbeStep]) -> None:
    """Print the steps of the test of the provider ``name``."""
    if call.as_json:
        good = steps[-1].failure is None
        line({"name": name, "success": good, "steps": [*map(step_facts, steps)]})
        return
    rows = (
        (one.stage.value, one.code or "-", f"{one.milliseconds} ms", one.message)
        for one in steps
    )
    table(("STEP", "CODE", "TIME", "ANSWER"), rows)


def cause(steps: Sequence[ProbeStep]) -> str:
    """Why the test failed, "" if it did not."""
    last = steps[-1]
    if last.failure is None:
        return ""
    words = FAILURE_WORDS[last.failure]
    return f"{words} at {last.stage.value}: {plain(last.message)}"


def step_facts(step: ProbeStep) -> dict[str, object]:
    """One step as JSON."""
    return {
        "step": step.stage.value,
        "code": step.code,
        "message": step.message,
        "ms": step.milliseconds,
        "failure": FAILURE_WORDS[step.failure] if step.failure else None,
    }
