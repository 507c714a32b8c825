"""What the calls about suppressions answer, in both contracts (spec 2.3, 12.1)."""

from collections.abc import Sequence

from appliance.core.suppression import Suppression, SuppressionReason
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.suppression import REASONS

DELETED = "Suppressions have been deleted successfully"
_NAMES = {reason: name for name, reason in REASONS.items()}


def render_list(found: Sequence[Suppression], contract: Contract) -> Answer:
    """Entries, as they were asked for or made."""
    facts = _legacy if contract is Contract.LEGACY else _v1
    return render([facts(one) for one in found])


def render_count(count: int) -> Answer:
    """How many there are."""
    return render({"count": count})


def render_removed(found: Sequence[Suppression], contract: Contract) -> Answer:
    """What was lifted, be it nothing."""
    if contract is Contract.LEGACY:
        return render([{"id": one.id, "message": _lifted(one)} for one in found])
    if not found:
        return render({"message": "None of these was suppressed"})
    return render({"message": DELETED})


def _legacy(one: Suppression) -> dict[str, object]:
    return {
        "id": one.id,
        "reason": int(one.reason),
        "smtp_error": one.description,
        "email": one.target,
        "created": one.at_ns,
    }


def _v1(one: Suppression) -> dict[str, object]:
    return {
        "id": one.id,
        "email": one.target,
        "reason": int(one.reason),
        "reasonText": _NAMES[SuppressionReason(one.reason)],
        "smtpError": one.description,
        "messageUUID": "" if one.delivery is None else str(one.delivery),
        "created": one.at_ns,
    }


def _lifted(one: Suppression) -> str:
    return f"Suppression ({one.target}) has been deleted successfully."
