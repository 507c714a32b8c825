"""DKIM signatures, made and checked (RFC 6376, 8301, 8463).

dkimpy builds the signature field and decides what is hashed; the key operation
is OpenSSL's through ``cryptography``, which gives up the interpreter lock, and
the body goes through a canonicaliser that is linear where dkimpy's is not. This
is the only file that knows dkimpy.

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

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from dkim.canonicalization import CanonicalizationPolicy, Relaxed

from appliance.core.domain import DkimKey
from appliance.mime.dkim_keys import private_key
from appliance.mime.dkim_record import PublishedKey
from appliance.mime.headers import Field, split_message

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
_KNOWN = frozenset(_SEALED + _SEALED_IF_THERE + _SIGNED_IF_THERE)


class Signer:
    """One key, parsed, ready to sign; may be used from several threads."""

    def __init__(self, key: DkimKey) -> None:
        self.selector = key.selector
        self.algorithm = key.algorithm
        self._key = private_key(key)

    def sign(self, digest: bytes) -> "RawSignature":
        """The signature over a SHA-256 digest; dkimpy asks this of a key."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            hashed = Prehashed(hashes.SHA256())
            return RawSignature(self._key.sign(digest, padding.PKCS1v15(), hashed))
        return RawSignature(self._key.sign(digest))  # RFC 8463 3


@dataclass(frozen=True, slots=True)
class RawSignature:
    """What dkimpy expects a key to answer with."""

    signature: bytes


def sign(message: bytes, domain: str, signers: Sequence[Signer], now_s: int) -> bytes:
    """The DKIM-Signature fields to put in front of ``message``, one for each signer.

    The message has CRLF line ends; the body is hashed once for all signers.

    Raises:
        MalformedMessage: the header block is none.
    """
    fields, body = split_message(message)
    body_hash = sha256(relaxed_body(body)).digest()
    signing = _Signing(fields)
    return b"".join(
        signing.signature(domain, signer, body_hash, now_s) for signer in signers
    )


def check_signature(message: bytes, index: int, published: Sequence[str]) -> str:
    """What receivers would object to in one signature of a message, "" for nothing.

    ``index`` counts the signatures from the top; ``published`` is what stands in
    the DNS where it says that its key is.

    Raises:
        MalformedMessage: the header block is none.
    """
    fields, body = split_message(message)
    checking = _Checking(fields, relaxed_body(body))
    wrong = [checking.fault(index, record) for record in published]
    return "" if "" in wrong else next(iter(wrong), "no key is published")


def relaxed_body(body: bytes) -> bytes:
    """The body in relaxed form (RFC 6376 3.4.4), in linear time.

    Equal to dkimpy's, whose expression for blanks at line ends is quadratic.
    """
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    while b"  " in body:  # each round halves every run of blanks
        body = body.replace(b"  ", b" ")
    body = body.replace(b" \r\n", b"\r\n")
    kept = _without_last_line_ends(body)
    return kept + b"\r\n" if kept else b""


def relaxed_headers(
    headers: Sequence[tuple[bytes, bytes]],
) -> list[tuple[bytes, bytes]]:
    """Header fields in relaxed form (RFC 6376 3.4.2), names in lower case already.

    Equal to dkimpy's, without its expressions: most values need no change.
    """
    return [(name, _relaxed_value(value)) for name, value in headers]


def _relaxed_value(value: bytes) -> bytes:
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    if b"\t" in value:
        value = value.replace(b"\t", b" ")
    while b"  " in value:
        value = value.replace(b"  ", b" ")
    return value.strip() + b"\r\n"


class _Relaxed:
    """dkimpy's relaxed algorithm with our canonicalisers."""

    name = Relaxed.name
    canonicalize_headers = staticmethod(relaxed_headers)
    canonicalize_body = staticmethod(relaxed_body)


_POLICY = CanonicalizationPolicy(_Relaxed, _Relaxed)


class _Signing(dkim.DKIM):  # type: ignore[misc]  # dkimpy ships no types
    """dkimpy with a header block that is cut already, and keys of our own."""

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__(signature_algorithm=b"ed25519-sha256")
        relevant = [one for one in fields if one.name in _KNOWN]
        self.headers = [(one.name, one.value) for one in relevant]
        self._names = _names_to_sign([one.name for one in relevant])

    def signature(
        self, domain: str, signer: Signer, body_hash: bytes, now_s: int
    ) -> bytes:
        """One DKIM-Signature field.

        dkimpy asks the key object itself to sign only where it believes the
        algorithm to be Ed25519; so it does, and ``a=`` says what is true.
        Its folding cuts tokens above 70 characters, as a domain may be, so the
        lines with d= and h= are begun here; dkimpy folds what comes after.
        """
        self.hasher = sha256
        tags = [
            (b"v", b"1"),
            (b"a", signer.algorithm.value.encode()),
            (b"c", _POLICY.to_c_value()),
            (b"t", b"%d" % now_s),
            (b"\r\n d", domain.encode()),
            (b"\r\n s", signer.selector.encode()),
            (b"\r\n h", b": ".join(self._names)),
            (b"bh", base64.b64encode(body_hash)),
            (b"b", b"0" * 60),
        ]
        value: bytes = self.gen_header(
            tags, self._names, _POLICY, b"dkim-signature", signer
        )
        # Relaxed headers do not see the difference; trailing blanks look odd.
        return b"DKIM-Signature: " + value.replace(b" \r\n", b"\r\n")


class _Checking(dkim.DKIM):  # type: ignore[misc]  # dkimpy ships no types
    """dkimpy as a receiver, with a message that is cut already.

    The body comes in relaxed form, which is its own relaxed form.
    """

    def __init__(self, fields: Sequence[Field], body: bytes) -> None:
        super().__init__()
        self.headers = [(one.name, one.value) for one in fields]
        self.body = body

    def fault(self, index: int, record: str) -> str:
        """What is wrong with a signature under the key of this record."""
        try:
            found = self.verify_headerprep(index)
            if not found:
                return "there is no such signature"
            tags, names, signatures = found
            self.pk = PublishedKey(record, tags[b"a"].decode())
            self.ktag = b"ed25519"  # dkimpy then asks the key itself
            self.seqtlsrpt = False
            self.verify_sig_process(tags, names, signatures[index], None)
        except (dkim.DKIMException, ValueError) as error:
            return str(error)
        return "" if self.pk.fits else "it does not fit the key that is published"


def _names_to_sign(present: list[bytes]) -> list[bytes]:
    names: list[bytes] = []
    for name in _SEALED + _SEALED_IF_THERE + _SIGNED_IF_THERE:
        count = present.count(name)
        if name in _SEALED or (count and name in _SEALED_IF_THERE):
            count += 1
        names += [name] * count
    return names


def _without_last_line_ends(body: bytes) -> bytes:
    """``body`` without the CRLFs at its end; a CR or LF of its own stays."""
    rest = len(body.rstrip(b"\r\n"))
    # Behind the last doubled character, CR and LF take turns to the end.
    doubled = max(body.rfind(b"\r\r", rest), body.rfind(b"\n\n", rest))
    start = max(rest, doubled + 1)
    if body.endswith(b"\r"):
        return body
    if body.startswith(b"\n", start):
        start += 1
    return body[:start]
