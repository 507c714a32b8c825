"""The webhooks of every dialect, by its name."""

from collections.abc import Mapping
from types import MappingProxyType

from appliance.dialects.anypost.webhook import AnypostWebhook
from appliance.dialects.postscale.webhook import PostscaleWebhook
from appliance.dialects.sendpost.webhook import SendpostWebhook
from appliance.dialects.webhook import WebhookDialect

WEBHOOKS: Mapping[str, WebhookDialect] = MappingProxyType(
    {
        "sendpost": SendpostWebhook(),
        "anypost": AnypostWebhook(),
        "postscale": PostscaleWebhook(),
    }
)
_OF_MESSAGES = "sendpost"  # the only one whose messages can name an endpoint


def webhooks_of(dialect: str) -> WebhookDialect:
    """Those of a dialect; endpoints that messages named have none of their own."""
    return WEBHOOKS[dialect or _OF_MESSAGES]
