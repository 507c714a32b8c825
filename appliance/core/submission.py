"""What a door hands in, with the dialect gone.

One submission becomes one message. Several submissions of one request may hold
the same ``Content`` object; the store keeps it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.core.address import Mailbox


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with the mail; ``content`` is decoded."""

    filename: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Recipient:
    """One envelope recipient; ``fields`` are its values for placeholders."""

    mailbox: Mailbox
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tracking:
    """Which engagement the sender wants to hear of."""

    opens: bool = True
    clicks: bool = True


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What a sender attaches in order to find the mail again."""

    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    topic: str = ""
    campaign: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submission:
    """One message to be, for its ``to`` recipient and those who get a copy.

    ``pool`` is a name; "" stands for the default pool.
    """

    content: Content
    to: Recipient
    cc: tuple[Recipient, ...] = ()
    bcc: tuple[Recipient, ...] = ()
    pool: str = ""
    tracking: Tracking = Tracking()
    dimensions: Dimensions = field(default_factory=Dimensions)
    webhook_url: str = ""
