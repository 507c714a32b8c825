"""Refusals put into SMTP replies, and the house's own words for all of them.

A dialect's words are a table from reason to reply line. A reason has one line,
and others beside it where the moment or the field makes a difference; what a
vendor has no words for is said in ours. Codes follow RFC 5321 4.2 and RFC 3463.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from appliance.core.refusal import Reason, Refusal
from appliance.dialects.submission import Moment
from appliance.smtp.reply import Reply, parse_enhanced

MAX_TEXT_CHARS = 400  # RFC 5321 4.5.3.1.5: a line has 512 bytes, codes included

# ``{detail}`` is the refusal's sentence, ``{field}`` what it is about.
Words: TypeAlias = Mapping[Reason | tuple[Reason, Moment | str], str]

HOUSE_WORDS: Words = MappingProxyType(
    {
        Reason.LOGIN_REFUSED: "535 5.7.8 Authentication failed",
        (Reason.STORE_UNAVAILABLE, Moment.LOGIN): (
            "454 4.7.0 Temporary authentication failure"
        ),
        Reason.LOGIN_NEEDED: "530 5.7.0 Authentication required",
        # The login was good and no longer is: the key was revoked meanwhile.
        Reason.BAD_KEY: "530 5.7.0 Authentication required",
        Reason.OUT_OF_SCOPE: "550 5.7.1 This login may not send mail",
        Reason.SUB_ACCOUNT_BLOCKED: "550 5.7.1 Sending is blocked for this account",
        Reason.MALFORMED: "550 5.6.0 {detail}",
        Reason.INVALID_VALUE: "550 5.6.0 {field}: {detail}",
        Reason.TOO_LARGE: "552 5.3.4 Message size exceeds fixed limit",
        Reason.NULL_SENDER: "550 5.7.1 The null sender is not accepted",
        Reason.SENDER_INVALID: "550 5.6.0 {detail}",
        Reason.SEVERAL_SENDERS: "550 5.6.0 {detail}",
        Reason.SENDER_NOT_VERIFIED: "550 5.7.1 {detail}",
        Reason.SENDER_NOT_PERMITTED: "550 5.7.1 {detail}",
        Reason.RECIPIENT_INVALID: "553 5.1.3 {detail}",
        Reason.RECIPIENT_SUPPRESSED: "550 5.7.1 {detail}",
        Reason.ADDRESS_UNSUPPORTED: "553 5.1.2 {detail}",
        Reason.MAIL_LOOP: "554 5.4.6 {detail}",
        Reason.IDEMPOTENCY_MISMATCH: "554 5.6.0 {field}: {detail}",
        # The operator's to mend, not the sender's: mail waits where it is till then.
        Reason.UNKNOWN_POOL: "451 4.3.5 Server configuration problem: {detail}",
        Reason.POOL_EMPTY: "451 4.3.5 Server configuration problem: {detail}",
        Reason.RATE_LIMITED: "450 4.7.1 Sending limit exceeded, try again later",
        # Before the content, so that nobody sends 50 MB for nothing.
        Reason.STORE_UNAVAILABLE: "452 4.3.1 {detail}",
        (Reason.STORE_UNAVAILABLE, Moment.END): "451 4.3.0 Temporary failure",
    }
)


def reply_to(words: Words, refusal: Refusal, moment: Moment) -> Reply:
    """``refusal`` in these words: one printable ASCII line of sane length.

    At the login, all that is wrong with the login itself sounds the same.
    """
    code, enhanced, text = _find(words, refusal, moment).split(" ", 2)
    said = text.format(detail=_plain(str(refusal)), field=_plain(refusal.field))
    line = said[:MAX_TEXT_CHARS].strip()
    return Reply(int(code), (line,), parse_enhanced(enhanced, int(code[0])))


def _find(words: Words, refusal: Refusal, moment: Moment) -> str:
    reason = refusal.reason
    at_moment, of_field = (reason, moment), (reason, refusal.field)
    if at_moment in words:
        return words[at_moment]
    if moment is Moment.LOGIN:
        return words[Reason.LOGIN_REFUSED]
    return words[of_field] if of_field in words else words[reason]


def _plain(text: str) -> str:
    """The text with all but printable ASCII escaped: it may come from anybody.

    A client that did not ask for SMTPUTF8 must not be sent more (RFC 6531 3.7.4).
    """
    return text[:MAX_TEXT_CHARS].encode("unicode_escape").decode("ascii")
