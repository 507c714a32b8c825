"""Tracking tokens: short, opaque, and worth nothing unless we made them.

A token is base64url of kind, delivery, for some kinds a number and a target, and
an authenticator over all of it. It is bound to its kind, so an
open token unsubscribes nobody, and a click can only lead where the sender's
own HTML led (ATTACKS 16).

A ``local`` text is the same in the letters of a mailbox's local part, for the mailto
form of an unsubscribe: base32 in lower case, since mail systems fold case, and
without the target, since RFC 5321 4.5.3.1.1 grants a local part 64 octets. The whole
token stands in the subject of that mail.
"""

import binascii
import hmac
from base64 import b32decode, b32encode, b64decode
from binascii import b2a_base64
from collections.abc import Callable
from hashlib import blake2b
from uuid import UUID

from appliance.value import Key, value

_MAC_BYTES = 16
_HEAD_BYTES = 1 + 16
_LINK_BYTES = 2
_FOR_URLS = bytes.maketrans(b"+/", b"-_")
MAX_TOKEN_CHARS = 16_384
# 33 bytes of authenticator, kind and delivery; "unsub+" before it makes 59 of 64.
LOCAL_CHARS = 53


class TokenKind(Key):
    """What a token lets its bearer do."""

    OPEN = b"o"
    CLICK = b"c"
    UNSUBSCRIBE = b"u"


@value
class Token:
    """What a genuine token says.

    ``link`` is the number of a click's link. ``target`` is what outlives the
    delivery's row: where a click leads, or whom an unsubscribe is for.
    """

    kind: TokenKind
    delivery: UUID
    link: int = 0
    target: str = ""


class TokenMaker:
    """Makes and reads tokens under one secret of 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2b(key=secret, digest_size=_MAC_BYTES)

    def seal(self, token: Token) -> str:
        """The text that stands for ``token`` in a URL."""
        payload = token.kind.value + token.delivery.bytes
        if token.target:
            payload += _tail(token.link, token.target)
        return self._text(payload)

    def clicks(self, delivery: UUID) -> Callable[[int, str], str]:
        """What seals clicks of one delivery, given the link's number and its target.

        A mail has many, so this goes without a ``Token`` for each.
        """
        head = TokenKind.CLICK.value + delivery.bytes
        text = self._text

        def seal(link: int, target: str) -> str:
            return text(head + _tail(link, target))

        return seal

    def _text(self, payload: bytes) -> str:
        coded = b2a_base64(self._mac(payload) + payload, newline=False)
        return coded.translate(_FOR_URLS).rstrip(b"=").decode()

    def read(self, text: str, kind: TokenKind) -> Token | None:
        """The token that ``text`` stands for, or None if it is not one of ours."""
        raw = _decode(text)
        return self._open(raw, kind) if raw is not None else None

    def seal_local(self, token: Token) -> str:
        """The text of ``token``, without its target, for a mailbox's local part."""
        payload = token.kind.value + token.delivery.bytes
        sealed = b32encode(self._mac(payload) + payload)
        return sealed.rstrip(b"=").decode().lower()

    def read_local(self, text: str, kind: TokenKind) -> Token | None:
        """The token that a local text stands for, in any case of its letters."""
        if len(text) != LOCAL_CHARS:
            return None
        try:
            raw = b32decode(text + "===", casefold=True)
        except (binascii.Error, ValueError):
            return None
        return self._open(raw, kind)

    def _open(self, raw: bytes, kind: TokenKind) -> Token | None:
        if len(raw) < _MAC_BYTES + _HEAD_BYTES:
            return None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            return None
        if payload[:1] != kind.value:
            return None
        delivery, rest = UUID(bytes=payload[1:_HEAD_BYTES]), payload[_HEAD_BYTES:]
        if not rest:
            return Token(kind, delivery)
        link = int.from_bytes(rest[:_LINK_BYTES])
        return Token(kind, delivery, link, rest[_LINK_BYTES:].decode())

    def _mac(self, payload: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(payload)
        return keyed.digest()


def _tail(link: int, target: str) -> bytes:
    return link.to_bytes(_LINK_BYTES) + target.encode()


def _decode(text: str) -> bytes | None:
    if len(text) > MAX_TOKEN_CHARS:
        return None
    try:
        return b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
