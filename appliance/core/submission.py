"""What a door hands in, with the dialect gone.

One submission becomes one message. Several submissions of one request may hold
the same ``Content`` object; the store keeps it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from appliance.core.address import Address, Mailbox
from appliance.value import value


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with the mail; ``content`` is decoded."""

    filename: str
    content: bytes = field(repr=False)


@value
class Content:
    """What the sender wrote, before it is made ready for one recipient.

    ``subject``, ``text`` and ``html`` may hold ``{{name}}`` placeholders when
    the sender asked for them. ``headers`` are the sender's own, in order.
    """

    sender: Mailbox
    subject: str
    text: str | None = None
    html: str | None = None
    amp: str | None = None
    preheader: str = ""
    reply_to: Mailbox | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()

    @property
    def size_bytes(self) -> int:
        """About how much memory and disk the content takes."""
        texts = (self.subject, self.text or "", self.html or "", self.amp or "")
        return (
            sum(map(len, texts))
            + sum(len(one.content) for one in self.attachments)
            + sum(len(name) + len(value) for name, value in self.headers)
        )


@value
class RawContent:
    """A whole mail as a mail program made it, and what was read in it.

    ``data`` leaves as it is, but for the fields put in front of it and, where
    engagement is wanted, its HTML. Its line ends are CRLF, and it has From, Date
    and Message-ID. ``sender`` is the first mailbox of From.
    """

    sender: Mailbox
    subject: str
    message_id: str
    data: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """How much memory and disk the content takes."""
        return len(self.data)


AnyContent: TypeAlias = Content | RawContent


@value
class Recipient:
    """One envelope recipient; ``fields`` are its values for placeholders."""

    mailbox: Mailbox
    fields: Mapping[str, str] = field(default_factory=dict)


@value
class Tracking:
    """Which engagement the sender wants to hear of.

    ``unsubscribes`` puts our own List-Unsubscribe into each copy.
    """

    opens: bool = True
    clicks: bool = True
    unsubscribes: bool = True


@value
class Dimensions:
    """What a sender attaches in order to find the mail again."""

    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    topic: str = ""
    campaign: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


NO_DIMENSIONS = Dimensions()


@dataclass(frozen=True, slots=True)
class Idempotency:
    """By what a request that comes again is known, and whether it is the same.

    ``key`` and ``fingerprint`` are hashes; a key that was used before ``since_ns``
    counts no longer.
    """

    key: bytes
    fingerprint: bytes
    since_ns: int


@value
class Submission:
    """One message to be, for its ``to`` recipients and those who get a copy.

    ``pool`` is a name; "" stands for the default pool. Raw content has its own
    header, so all its envelope recipients are in ``to``. ``envelope_sender`` is
    where the sender's program would have had failures go; None if it named none.
    ``uuid`` is the message's, where it had to be known before; else one is made.
    ``own_headers`` are fields of the sender's own in raw content, which is not read
    again: who is told of the mail is told them.
    """

    content: AnyContent
    to: tuple[Recipient, ...]
    cc: tuple[Recipient, ...] = ()
    bcc: tuple[Recipient, ...] = ()
    pool: str = ""
    tracking: Tracking = Tracking()
    dimensions: Dimensions = NO_DIMENSIONS
    webhook_url: str = ""
    envelope_sender: Address | None = None
    uuid: UUID | None = None
    own_headers: tuple[tuple[str, str], ...] = ()
