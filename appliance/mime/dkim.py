"""DKIM signatures (RFC 6376, 8301, 8463); ``dkim_check`` looks at them as others do.

The bytes that are signed are put together here, once for all keys of a domain. The
key operation is OpenSSL's through ``cryptography``, which gives up the interpreter
lock: it is the one great cost on the walk, and it alone is worth a thread.

What is signed: the fields that people and programs act on. What is sealed,
listed once more than it is there, so that a second one breaks the signature
(RFC 6376 5.4.2):

- From, To, Cc, Subject, Date, Reply-To, Message-ID, Content-Type always, there
  or not: a signed mail that is sent again by others with another Subject, Cc
  or Content-Type on top must not pass as ours (ATTACKS 15);
- Content-Transfer-Encoding, List-Unsubscribe and List-Unsubscribe-Post where
  they are there. Where not, a mailing list may add its own link, and a relay
  its encoding;
- MIME-Version, Sender, In-Reply-To, References and Feedback-ID never: a second
  one misleads nobody, and some relays add Sender.

``l=`` is never used: it lets anyone append. ``x=`` is not either, since a mail
may wait long in queues that are not ours.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from appliance.core.domain import DkimKey
from appliance.mime.dkim_keys import private_key
from appliance.mime.relaxed import relaxed_message, relaxed_value
from appliance.value import value

_SEALED = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"reply-to",
    b"message-id",
    b"content-type",
)
_SEALED_IF_THERE = (
    b"content-transfer-encoding",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)
_SIGNED_IF_THERE = (
    b"mime-version",
    b"sender",
    b"in-reply-to",
    b"references",
    b"feedback-id",
)
_ORDER = _SEALED + _SEALED_IF_THERE + _SIGNED_IF_THERE
_KNOWN = frozenset(_ORDER)
_PADDING = padding.PKCS1v15()
_HASHED = Prehashed(hashes.SHA256())
_PIECE = 2047  # octets that hashlib takes without letting other threads run
_WIDTH = 72  # of a folded line, with its blank


class Signer:
    """One key, parsed, ready to sign; may be used from several threads."""

    def __init__(self, key: DkimKey) -> None:
        self.key = key
        self.tags = (
            f" v=1; a={key.algorithm.value}; c=relaxed/relaxed; t=%d;\r\n"
            f" d=%b;\r\n s={key.selector};\r\n h=%b;\r\n bh=%b;\r\n b="
        ).encode()
        self._private = private_key(key)

    def sign(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(digest, _PADDING, _HASHED)
        return self._private.sign(digest)  # RFC 8463 3


@value
class Unsigned:
    """One DKIM-Signature field for which only the key operation is missing."""

    signer: Signer
    value: bytes = field(repr=False)  # up to ``b=``
    digest: bytes = field(repr=False)

    def sign(self) -> bytes:
        """The key operation; worth a thread if the key is RSA's."""
        return self.signer.sign(self.digest)

    def signed(self, signature: bytes) -> bytes:
        """The field, with what ``sign`` gave."""
        octets = b64encode(signature)
        room = _WIDTH - len(" b=")
        lines = [octets[:room]]
        lines += [
            octets[at : at + _WIDTH - 1] for at in range(room, len(octets), _WIDTH - 1)
        ]
        return b"DKIM-Signature:%b%b\r\n" % (self.value, b"\r\n ".join(lines))


def sign(message: bytes, domain: str, signers: Sequence[Signer], now_s: int) -> bytes:
    """The DKIM-Signature fields to put in front of ``message``, one for each signer.

    Raises:
        MalformedMessage: the header block is none.
    """
    blanks = unsigned(message, domain, signers, now_s)
    return b"".join(one.signed(one.sign()) for one in blanks)


def unsigned(
    message: bytes, domain: str, signers: Sequence[Signer], now_s: int
) -> list[Unsigned]:
    """The same, as far as it goes without a key.

    The message has CRLF line ends; header and body are hashed once for all signers.

    Raises:
        MalformedMessage: the header block is none.
    """
    if not signers:
        return []
    fields, body = relaxed_message(message)
    plan = _plan(tuple([name if name in _KNOWN else b"" for name, _ in fields]))
    hashed = b"".join([b"%b:%b\r\n" % fields[index] for index in plan.covered])
    body_hash, listed = b64encode(_digest(body)), plan.listed
    blanks = []
    for signer in signers:
        value = signer.tags % (now_s, domain.encode(), listed, body_hash)
        hasher = sha256(hashed)
        hasher.update(b"dkim-signature:" + relaxed_value(value))
        blanks.append(Unsigned(signer, value, hasher.digest()))
    return blanks


def _digest(data: bytes) -> bytes:
    """The SHA-256 of ``data``, in pieces.

    For larger ones hashlib gives up the interpreter lock, and to win it back from the
    threads that sign costs more than to hash a usual mail.
    """
    hasher, view = sha256(), memoryview(data)
    for start in range(0, len(data), _PIECE):
        hasher.update(view[start : start + _PIECE])
    return hasher.digest()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to sign of a header: ``h=``, and the places of its fields, in that order."""

    listed: bytes
    covered: tuple[int, ...]


@lru_cache(maxsize=256)
def _plan(fields: tuple[bytes, ...]) -> _Plan:
    """For a header with these names, in their order: of several, the last one first.

    Names that nobody signs are empty, so that no sender's own fill the memory.
    """
    names: list[bytes] = []
    covered: list[int] = []
    for name in _ORDER:
        places = [index for index, one in enumerate(fields) if one == name]
        covered += reversed(places)
        sealed = name in _SEALED or (places and name in _SEALED_IF_THERE)
        names += [name] * (len(places) + bool(sealed))
    return _Plan(_listed(names), tuple(covered))


def _listed(names: Sequence[bytes]) -> bytes:
    """The names with colons between them, on lines of ``_WIDTH``."""
    lines, line = [], b" h="
    for name in names:
        if len(line) + len(name) + len(":;") > _WIDTH:
            lines.append(line)
            line = b" "
        line += name + b":"
    lines.append(line.removesuffix(b":"))
    return b"\r\n".join(lines).removeprefix(b" h=")
