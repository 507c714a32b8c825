"""What limits hold back at a moment, for those who look and change nothing."""

from appliance.store.standing import load_standing
from appliance.store.tokens import Classify, Tokens, class_by_name
from appliance.store.transaction import View


def load_waits(view: View, now_ns: int, classify: Classify = class_by_name) -> Tokens:
    """The limits with what is left of them, and which of them mail stands at."""
    standing = load_standing(view, now_ns, 1)
    return Tokens.of(
        standing.throttles, standing.waiting, now_ns, standing.providers, classify
    )
