"""Which header fields a sender may set, and which can be written (RFC 5322 3.6)."""

import re

MAX_LINE_OCTETS = 998  # RFC 5322 2.1.1
MAX_NAME_CHARS = 76
MAX_VALUE_CHARS = 10_000

_NAME = re.compile(rf"[!-9;-~]{{1,{MAX_NAME_CHARS}}}")  # fits one line
# TAB is white space and is written as a blank; every other control, the two
# separators that some readers take for line ends, and halves of characters
# have no business in a header.
_UNSAFE = re.compile("[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Fields of tokens and URLs, where an encoded-word would be read as it stands.
_NEVER_ENCODED = frozenset(
    {
        "feedback-id",
        "in-reply-to",
        "list-archive",
        "list-help",
        "list-owner",
        "list-post",
        "list-subscribe",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-id",
        "references",
    }
)
# Ours to write, or written by those who carry the mail. Message-ID is the thread
# from a relay's log back to the delivery.
_RESERVED = frozenset(
    {
        "apparently-to",
        "authentication-results",
        "bcc",
        "bimi-indicator",
        "bimi-location",
        "cc",
        "date",
        "delivered-to",
        "dkim-signature",
        "domainkey-signature",
        "envelope-to",
        "errors-to",
        "from",
        "message-id",
        "mime-version",
        "original-recipient",
        "received",
        "received-spf",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
        "x-original-to",
    }
)
_RESERVED_PREFIXES = ("arc-", "content-", "resent-")


def is_reserved_field(name: str) -> bool:
    """True if a sender may not set the header field ``name``.

    List-Unsubscribe may be set: the sender's replaces ours.
    """
    lowered = name.lower()
    return lowered in _RESERVED or lowered.startswith(_RESERVED_PREFIXES)


def is_field_name(name: str) -> bool:
    """True if ``name`` can name a header field (RFC 5322 2.2)."""
    return _NAME.fullmatch(name) is not None


def is_safe_text(text: str) -> bool:
    """True if a subject, display name or file name can stand in a header."""
    return len(text) <= MAX_VALUE_CHARS and _UNSAFE.search(text) is None


def header_flaw(name: str, value: str) -> str:
    """What keeps this header from being written, "" if nothing does."""
    if not is_field_name(name):
        return "not a field name"
    if not is_safe_text(value):
        return "control character in the value, or too long"
    if value.isascii():
        longest = max(map(len, value.replace("\t", " ").split(" ")))
        return "a word too long for a line" if longest >= MAX_LINE_OCTETS else ""
    return "not ASCII" if name.lower() in _NEVER_ENCODED else ""
