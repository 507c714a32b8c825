"""What a mail that came back to us turns out to be: values, nothing that reads.

``mime/returns.py`` reads them out of a mail. Everything in them is a stranger's
word, cut to the bounds below; whom it is about, the return path has to prove.
"""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

MAX_RECIPIENTS = 100
MAX_DIAGNOSTIC_CHARS = 1_000
MAX_NAME_CHARS = 255


class Action(Enum):
    """What became of a mail for one recipient (RFC 3464 2.3.3).

    RELAYED went to a host that reports nothing, EXPANDED to a list: neither says
    that anybody has it.
    """

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class Failed:
    """What a report says about one recipient; "" and 0 for what it does not say.

    ``address`` is whom the reporter tried, ``original`` whom the sender named
    (RFC 3464 2.3.1): behind a forward these are two. Both are as
    ``core.address.Address`` spells them. ``status`` is ``5.1.1``, ``code`` is the
    reply code 200 to 599, ``diagnostic`` the words on one line, ``remote_mta`` the
    host that spoke them, ``at_s`` when it was last tried (Unix time).
    """

    address: str
    action: Action
    original: str = ""
    status: str = ""
    code: int = 0
    diagnostic: str = ""
    remote_mta: str = ""
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class Bounced:
    """A delivery status report; at least one recipient, none of them twice."""

    recipients: tuple[Failed, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """A feedback report about a mail of ours (RFC 5965); "" for what it leaves out.

    ``feedback_type`` is in lower case: ``abuse`` mostly; ``auth-failure`` (RFC 6591)
    and ``not-spam`` are no complaints about the mail. ``original_mail_from`` is our
    return path if the reporter left it whole. ``message_id`` is without brackets,
    ``delivery`` what the mail's own trace field names, ``arrived_s`` when the
    complaining host took it (Unix time, 0 for unknown).
    """

    feedback_type: str
    original_mail_from: str = ""
    original_recipient: str = ""
    message_id: str = ""
    delivery: UUID | None = None
    arrived_s: int = 0


@dataclass(frozen=True, slots=True)
class AutoReply:
    """A machine's answer to a mail that has arrived: no bounce (RFC 3834)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing that can be acted on."""

    reason: str


Returned = Bounced | Complaint | AutoReply | Unknown
