"""Deliveries and domains to test with."""

from uuid import UUID

from appliance.core.address import Address, Mailbox
from appliance.core.delivery import Copy
from appliance.core.domain import DkimKey, Proof, Purpose, Record, SenderDomain
from appliance.core.ids import (
    ContentId,
    DeliveryId,
    DomainId,
    MessageId,
    PoolId,
    ProviderId,
    SubAccountId,
)
from appliance.core.submission import Content, Dimensions, Tracking

SENDER = Mailbox(Address("shop", "sender.test"), "The Shop")
RECIPIENT = Address("bob", "rcpt.test")
MESSAGE = UUID("01890000-0000-7000-8000-000000000001")


def make_copy(
    number: int = 1,
    *,
    attempts: int = 0,
    recipient: Address = RECIPIENT,
    fields: dict[str, str] | None = None,
    tracking: Tracking | None = None,
    provider: int = 1,
) -> Copy:
    """A claimed delivery to ``recipient``."""
    return Copy(
        id=DeliveryId(number),
        uuid=UUID(int=MESSAGE.int + number),
        message=MessageId(number),
        message_uuid=UUID(int=MESSAGE.int + number),
        sub_account=SubAccountId(1),
        domain=DomainId(1),
        content=ContentId(1),
        pool=PoolId(1),
        provider=ProviderId(provider),
        sender=str(SENDER.address),
        recipient=recipient,
        fields=fields or {},
        to=(Mailbox(recipient, "Bob"),),
        cc=(),
        tracking=tracking or Tracking(),
        dimensions=Dimensions(),
        submitted_ns=1_800_000_000_000_000_000,
        attempts=attempts,
        size_bytes=1_000,
    )


def make_content(text: str = "Hello", html: str | None = None) -> Content:
    """A small mail from ``SENDER``."""
    return Content(sender=SENDER, subject="A subject", text=text, html=html)


def make_domain(
    *keys: DkimKey, proof: Proof = Proof.DNS, name: str = "sender.test"
) -> SenderDomain:
    """A sender domain whose records all have the same proof."""
    records = tuple(
        Record(purpose, f"{purpose.value}.{name}", "TXT", "value", proof)
        for purpose in Purpose
    )
    return SenderDomain(
        DomainId(1), MESSAGE, SubAccountId(1), name, 0, tuple(keys), records
    )
