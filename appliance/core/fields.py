"""Which header fields a sender may set (RFC 5322 3.6, and what carriers write)."""

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
