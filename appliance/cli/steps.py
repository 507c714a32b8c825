"""What the test of a provider looks like: its steps, and why it failed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from appliance.cli.common import Call
from appliance.cli.show import line, plain, table
from appliance.smtp.outcome import FailureClass

if TYPE_CHECKING:  # net takes 0.2 s to import, and --help needs none
    from appliance.net.smtp_probe import ProbeStep

# As the documentation names them.
WORDS: Mapping[FailureClass, str] = MappingProxyType(
    {
        FailureClass.CONNECTION_REFUSED: "Connection refused",
        FailureClass.TLS_FAILED: "TLS handshake failed",
        FailureClass.AUTH_REJECTED: "Auth rejected",
        FailureClass.MAIL_FAILED: "MAIL FROM failure",
        FailureClass.RCPT_FAILED: "RCPT TO failure",
        FailureClass.DATA_FAILED: "DATA failure",
        FailureClass.TIMEOUT: "Timeout",
    }
)


def show_steps(call: Call, name: str, steps: Sequence["ProbeStep"]) -> None:
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


def cause(steps: Sequence["ProbeStep"]) -> str:
    """Why the test failed, "" if it did not."""
    last = steps[-1]
    if last.failure is None:
        return ""
    return f"{WORDS[last.failure]} at {last.stage.value}: {plain(last.message)}"


def step_facts(step: "ProbeStep") -> dict[str, object]:
    """One step as JSON."""
    return {
        "step": step.stage.value,
        "code": step.code,
        "message": step.message,
        "ms": step.milliseconds,
        "failure": WORDS[step.failure] if step.failure else None,
    }
