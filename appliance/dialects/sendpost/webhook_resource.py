"""Webhooks as they are asked for and shown, in both contracts (spec 9.3)."""

from collections.abc import Sequence
from dataclasses import replace

from appliance.core.credential import Network
from appliance.core.ids import AccountId
from appliance.core.webhook import Endpoint, NewEndpoint
from appliance.core.webhook_url import check_url
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.names import Dialect
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Fault, Problem, invalid
from appliance.dialects.sendpost.webhook_wire import (
    DECODER,
    FLAGS,
    USUAL_FLAGS,
    WebhookBody,
)

NAME = Dialect.SENDPOST.value
NO_WEBHOOK = Problem(Fault.NOT_FOUND, "There is no such webhook")
NO_URL = Problem(Fault.UNKNOWN_ID, "url is required", "url")


def parse_webhook(body: bytes) -> WebhookBody | Problem:
    """What a body says, or why it is refused; never raises."""
    read = decode(DECODER, body)
    return invalid(read.path, read.what) if isinstance(read, Malformed) else read


def new_webhook(
    body: WebhookBody,
    account: AccountId,
    *,
    allow_http: bool = False,
    allowed: Sequence[Network] = (),
) -> NewEndpoint | Problem:
    """The webhook to make; flags that are not named are as the vendor sets them."""
    if not body.url:
        return NO_URL
    empty = NewEndpoint(account, None, NAME, "", frozenset(USUAL_FLAGS))
    return changed_webhook(empty, body, allow_http=allow_http, allowed=allowed)


def changed_webhook(
    old: NewEndpoint,
    body: WebhookBody,
    *,
    allow_http: bool = False,
    allowed: Sequence[Network] = (),
) -> NewEndpoint | Problem:
    """The webhook as it is to be; what ``body`` does not name stays."""
    url = old.url if body.url is None else body.url
    if not url:
        return NO_URL
    wrong = check_url(url, allow_http=allow_http, allowed=allowed)
    if wrong and url != old.url:
        return invalid("url", wrong[:1].upper() + wrong[1:])
    enabled = old.enabled if body.enabled is None else body.enabled
    return replace(old, url=url, enabled=enabled, wanted=_wanted(old.wanted, body))


def _wanted(before: frozenset[str], body: WebhookBody) -> frozenset[str]:
    wanted = set(before)
    for flag, field in zip(FLAGS, _FIELDS, strict=True):
        word = getattr(body, field)
        if word is not None:
            (wanted.add if word else wanted.discard)(flag)
    return frozenset(wanted)


def webhook_facts(
    one: Endpoint, contract: Contract, success_rate: float | None = None
) -> dict[str, object]:
    """A webhook as an object with the keys of ``contract`` and no others.

    The secret is never shown. ``success_rate`` is for lists.
    """
    facts: dict[str, object] = {
        "id": one.id,
        "enabled": one.enabled,
        "url": one.url,
        **{flag: flag in one.wanted for flag in FLAGS},
        "created": one.created_ns,
    }
    if contract is Contract.LEGACY:
        return facts | {"created_by": None, "updated_by": None}
    facts |= {
        "status": one.standing.value,
        "disabledAt": one.disabled_ns or 0,
        "disabledReason": one.reason,
    }
    return facts if success_rate is None else facts | {"successRate": success_rate}


def webhook_made(one: Endpoint, contract: Contract) -> Answer:
    """The answer to a webhook that is there now; the status differs (spec 2.3)."""
    status = 201 if contract is Contract.V1 else 200
    return render(webhook_facts(one, contract), status)


def webhook_exists(url: str) -> Problem:
    """The answer to a second webhook of that URL."""
    return Problem(Fault.EXISTS, f"There is a webhook to {url[:200]} already", "url")


def webhook_deleted(one: Endpoint) -> Answer:
    """The answer to a webhook that is gone now."""
    message = f"Webhook ({one.url}) has been deleted successfully."
    return render({"id": one.id, "message": message})


_FIELDS = (
    "delivered",
    "dropped",
    "soft_bounced",
    "hard_bounced",
    "opened",
    "clicked",
    "unsubscribed",
    "spam",
    "processed",
    "sent",
    "smtp_dropped",
    "unique_open",
    "unique_click",
)
