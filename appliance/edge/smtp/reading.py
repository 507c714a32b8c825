"""From the bytes of one mail to a submission, or the refusal it earns.

Pure: everything it needs is handed in. What a mail says of itself is read once,
here; what is stored is what will leave, with our Received in front.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

from appliance.core.address import Address, Mailbox
from appliance.core.encoded_words import decode_words
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import (
    Dimensions,
    Idempotency,
    RawContent,
    Recipient,
    Submission,
    Tracking,
)
from appliance.dialects.sendpost.headers import strips as forges_trace
from appliance.dialects.submission import SubmissionDialect
from appliance.mime.headers import MalformedMessage
from appliance.mime.incoming import BadSender, Incoming, finish, read_incoming
from appliance.mime.trace import received
from appliance.value import value

OWN_PREFIX = "x-postroom-"
IDEMPOTENCY_HEADER = "X-Postroom-Idempotency-Key"
MAX_KEY_CHARS = 255
SECOND_NS = 1_000_000_000
_EXTENSIONS = b"x-"  # what dialects read is never a standard field


@dataclass(frozen=True, slots=True)
class Habits:
    """What the operator set about the mail that is read.

    ``window_ns`` is how long an idempotency key counts; ``message_id_is_key`` makes
    a Message-ID one, for programs that can set no header of ours.
    """

    host: str
    max_hops: int
    window_ns: int
    message_id_is_key: bool


@value
class Circumstances:
    """How a mail came: from whom, over what, for whom, and when.

    ``sender`` is the envelope's, None if it says nothing to us.
    """

    client_name: str
    client_ip: str
    tls: str
    protocol: str
    sender: Address | None
    recipients: Sequence[Address]
    pool: str
    now_ns: int
    id: UUID


@value
class Letter:
    """A mail that was read and not yet judged."""

    incoming: Incoming = field(repr=False)
    dimensions: Dimensions

    @property
    def senders(self) -> tuple[Mailbox, ...]:
        """Every mailbox of From; at least one."""
        return self.incoming.senders


def read_letter(
    data: bytes, dialect: SubmissionDialect, habits: Habits
) -> Letter | Refusal:
    """What the mail says of itself, or why it is no mail that this dialect takes."""
    try:
        incoming = read_incoming(data)
    except BadSender as error:
        return Refusal(Reason.SENDER_INVALID, "from", str(error))
    except MalformedMessage as error:
        return Refusal(Reason.MALFORMED, "header", str(error))
    if incoming.hops >= habits.max_hops:
        return Refusal(Reason.MAIL_LOOP, "received", "Too many hops, a mail loop")
    if dialect.rules.one_sender and len(incoming.senders) > 1:
        detail = "From holds more than one address"
        return Refusal(Reason.SEVERAL_SENDERS, "from", detail)
    dimensions = dialect.read_dimensions(incoming.headers(_EXTENSIONS))
    if isinstance(dimensions, Refusal):
        return dimensions
    return Letter(incoming, dimensions)


def submission_of(
    letter: Letter,
    dialect: SubmissionDialect,
    around: Circumstances,
    habits: Habits,
    tracking: Tracking,
) -> Submission:
    """The submission that this mail is: its bytes as they will leave."""
    incoming, sender = letter.incoming, letter.senders[0]
    message_id = incoming.message_id or incoming.odd_message_id
    if not message_id:
        message_id = f"{around.id}@{sender.address.domain}"
    data = finish(
        incoming,
        drop=lambda name: _is_ours_alone(name, dialect.strips),
        front=_received(around, habits),
        date_s=around.now_ns // SECOND_NS,
        message_id=message_id,
    )
    return Submission(
        content=RawContent(sender, incoming.subject, message_id, data),
        to=tuple(Recipient(Mailbox(one)) for one in around.recipients),
        pool=around.pool,
        tracking=tracking,
        dimensions=letter.dimensions,
        envelope_sender=around.sender,
        uuid=around.id,
        own_headers=_own_headers(incoming, dialect.strips),
    )


def _own_headers(
    incoming: Incoming, strips: Callable[[str], bool]
) -> tuple[tuple[str, str], ...]:
    """The sender's own fields that stay in the mail, their values decoded."""
    return tuple(
        (name, decode_words(value))
        for name, value in incoming.headers(_EXTENSIONS)
        if not _is_ours_alone(name, strips)
    )


@lru_cache(maxsize=1024)  # the same few names come with every mail
def _is_ours_alone(name: str, strips: Callable[[str], bool]) -> bool:
    """True for a field that is said to us and to no recipient, or forges ours."""
    return strips(name) or name.startswith(OWN_PREFIX) or forges_trace(name)


def _received(around: Circumstances, habits: Habits) -> bytes:
    only = around.recipients[0] if len(around.recipients) == 1 else None
    return received(
        client_name=around.client_name,
        client_ip=around.client_ip,
        host=habits.host,
        protocol=around.protocol,
        tls=around.tls,
        id_=around.id.hex,
        recipient=None if only is None else str(only),
        at_s=around.now_ns // SECOND_NS,
    )


def idempotency_of(
    letter: Letter, around: Circumstances, habits: Habits
) -> Idempotency | Refusal | None:
    """By what this mail is known if it comes again, None if by nothing.

    A key of the sender's may not be used for two mails. A Message-ID is one only
    together with the recipients, for programs send one mail to many in turns. Mail of
    another pool is other mail: what a test sent to nobody stands for no real one.
    """
    own = IDEMPOTENCY_HEADER.lower()
    found = letter.incoming.headers(own.encode())
    keys = [value for name, value in found if name == own]
    message_id = letter.incoming.message_id if habits.message_id_is_key else ""
    if not (keys or message_id):
        return None
    to = "\0".join(one.key for one in around.recipients).encode()
    pool = [around.pool.encode()] if around.pool else []
    since_ns = around.now_ns - habits.window_ns
    if keys:
        key = keys[0]
        if len(keys) > 1 or not _is_key(key):
            detail = f"not one key of 1 to {MAX_KEY_CHARS} printable ASCII characters"
            return Refusal(Reason.INVALID_VALUE, IDEMPOTENCY_HEADER, detail)
        mark = _hash(to, _without_trace(letter.incoming))
        return Idempotency(_hash(b"key", *pool, key.encode()), mark, since_ns)
    known_by = _hash(b"message-id", *pool, message_id.encode(), to)
    return Idempotency(known_by, known_by, since_ns)


def _is_key(text: str) -> bool:
    return 0 < len(text) <= MAX_KEY_CHARS and text.isascii() and text.isprintable()


def _without_trace(incoming: Incoming) -> bytes:
    """The mail but for what servers on its way add, which differs at each try."""
    fields = (one.raw for one in incoming.fields if one.name != b"received")
    return b"".join([*fields, b"\r\n", incoming.body])


def _hash(*parts: bytes) -> bytes:
    hashed = blake2b(digest_size=32)
    for part in parts:
        hashed.update(len(part).to_bytes(8))
        hashed.update(part)
    return hashed.digest()
