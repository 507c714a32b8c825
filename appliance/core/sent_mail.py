"""A message as whoever sent it looks it up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from appliance.core.address import Mailbox
from appliance.core.ids import AccountId, PoolId, SubAccountId
from appliance.core.recipient_class import RecipientClass
from appliance.core.submission import Content, Dimensions, Tracking


@dataclass(frozen=True, slots=True)
class SentMail:
    """What was handed in, and what it was accepted as.

    ``content`` is None where nobody asked for it, where it is kept no longer, and for
    mail that came as bytes. ``headers`` are the first few of the sender's own.
    ``fields`` are the first recipient's values, ``recipient_class`` is whose servers
    take that one's mail in.
    """

    uuid: UUID
    account: AccountId
    sub_account: SubAccountId
    sender: str
    subject: str
    accepted_ns: int
    pool: PoolId
    pool_name: str
    webhook_url: str
    attempts: int
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[str, ...]
    tracking: Tracking
    dimensions: Dimensions
    fields: Mapping[str, str] = field(repr=False)
    recipient_class: RecipientClass
    sender_name: str
    reply_to: Mailbox | None
    headers: Mapping[str, str] = field(repr=False)
    content: Content | None = field(default=None, repr=False)
