"""Answers of machines to mail that has arrived: vacations, receipts, robots.

They come to the return path as bounces do, and say nothing against the address.
"""

from appliance.core.encoded_words import decode_words
from appliance.mime.pieces import Mail
from appliance.mime.returned import AutoReply
from appliance.mime.returned_words import AUTO_REPLY_SUBJECTS

_RECEIPT = "message/disposition-notification"  # RFC 8098
_FIELDS = (
    "x-autoreply",
    "x-autoreply-from",
    "x-autorespond",
    "x-autoresponder",
    "x-auto-reply-from",
    "x-mail-autoreply",
    "x-vacation",
    "x-ms-exchange-generated-message-source-autoreply",
)
_PRECEDENCES = frozenset({"auto_reply", "auto-reply", "autoreply"})
_MAX_SUBJECT_CHARS = 1_000


def read_auto_reply(mail: Mail) -> AutoReply | None:
    """What tells that a machine answered, None if nothing does.

    A mail system's own reports say ``auto-replied`` too (RFC 3834 5.1): whoever asks
    has looked for those before.
    """
    reason = _reason(mail)
    return AutoReply(reason) if reason else None


def reply_by_header(mail: Mail) -> AutoReply | None:
    """The same by the header's own words alone, without a look at the subject."""
    reason = _by_header(mail)
    return AutoReply(reason) if reason else None


def _reason(mail: Mail) -> str:
    if by_header := _by_header(mail):
        return by_header
    subject = decode_words(mail.fields.first("subject")[:_MAX_SUBJECT_CHARS]).lower()
    phrase = next((one for one in AUTO_REPLY_SUBJECTS if one in subject), "")
    return f"subject: {phrase}" if phrase else ""


def _by_header(mail: Mail) -> str:
    fields = mail.fields
    if next(mail.of_kind(_RECEIPT), None):
        return "receipt"
    submitted = fields.first("auto-submitted").lower().partition(";")[0].split("(")[0]
    if submitted.strip() in {"auto-replied", "auto-notified"}:
        return f"auto-submitted: {submitted.strip()}"
    for name in ("precedence", "x-precedence"):
        if (value := fields.first(name).strip().lower()) in _PRECEDENCES:
            return f"{name}: {value}"
    return next((name for name in _FIELDS if fields.has(name)), "")
