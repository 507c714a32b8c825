"""The paths of the API and of tracking, in every spelling that is served.

API paths stand here without the slash at their end; they are served with it too,
since the vendor's own clients put one on some of them and follow no redirect.
"""

from collections.abc import Mapping
from types import MappingProxyType

from appliance.core.token import TokenKind

API = "/api/v1"
SUB_ACCOUNT = f"{API}/subaccount/"  # what a sub-account's key opens

SEND = f"{SUB_ACCOUNT}email"
SEND_TEMPLATE = f"{SUB_ACCOUNT}email/template"
DOMAINS = f"{SUB_ACCOUNT}domain"  # stands for all that begins so
DOMAIN_CHECK = "verify"  # below a domain
SUPPRESSIONS = f"{SUB_ACCOUNT}suppression"  # stands for all that begins so
SUPPRESSION_COUNT = f"{SUPPRESSIONS}/count"

# What an account's key opens; a path stands for all that begins so.
PROVIDERS = f"{API}/account/tpsp"
PROVIDERS_SHORT = f"{API}/tpsp"
POOLS = f"{API}/account/ippool"
WEBHOOKS = f"{API}/account/webhook"
ACCOUNT_EVENTS = f"{API}/account/event"  # the log
MESSAGES = f"{API}/account/message"
STATS = f"{API}/account/stat"
SUB_ACCOUNT_STATS = f"{API}/account/subaccount/stat"
PROVIDER_TEST = "test/custom-smtp"  # below either spelling
EVENT_KEY = "event-key"  # below a provider
EVENTS = f"{API}/tpsp/custom-smtp/events"  # what a provider's log agent tells

TRACK = "/track/"  # what all paths of tracking begin with

# The spelling that is written into mail, for each kind of link.
TRACKING: Mapping[TokenKind, str] = MappingProxyType(
    {
        TokenKind.OPEN: "/track/tpsp/open/",
        TokenKind.CLICK: "/track/tpsp/click/",
        TokenKind.UNSUBSCRIBE: "/track/tpsp/unsubscribe/",
    }
)
SPELLINGS: tuple[tuple[str, TokenKind], ...] = tuple(
    (spelling, kind)
    for kind, path in TRACKING.items()
    for spelling in (path, path.replace("/tpsp/", "/"))
)


def read_tracking(path: str) -> tuple[TokenKind, str] | None:
    """The kind and the token that a tracking path holds, None for other paths."""
    for prefix, kind in SPELLINGS:
        if path.startswith(prefix):
            token = path[len(prefix) :]
            return (kind, token) if token and "/" not in token else None
    return None
