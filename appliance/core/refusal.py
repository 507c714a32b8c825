"""Why something is not taken, as a value; each dialect has its own words for it."""

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """The one cause of a refusal."""

    BAD_KEY = "bad key"
    LOGIN_REFUSED = "login refused"
    LOGIN_NEEDED = "login needed"
    OUT_OF_SCOPE = "key may not do this"
    SUB_ACCOUNT_BLOCKED = "sub-account is blocked"
    MALFORMED = "not well-formed"
    INVALID_VALUE = "invalid value"
    TOO_LARGE = "too large"
    NULL_SENDER = "null sender is not taken"
    SENDER_INVALID = "sender address is invalid"
    SEVERAL_SENDERS = "more than one sender"
    SENDER_NOT_VERIFIED = "sender domain is not verified"
    SENDER_NOT_PERMITTED = "key may not send as this domain"
    RECIPIENT_INVALID = "recipient address is invalid"
    RECIPIENT_SUPPRESSED = "recipient is suppressed"
    ADDRESS_UNSUPPORTED = "address of a kind that is not taken"
    MAIL_LOOP = "mail goes in a circle"
    IDEMPOTENCY_MISMATCH = "idempotency key was used for another request"
    UNKNOWN_POOL = "no such pool"
    POOL_EMPTY = "pool has no provider"
    RATE_LIMITED = "too many requests"
    STORE_UNAVAILABLE = "cannot store right now"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A clear no: the cause, the field it is about, and a sentence for people."""

    reason: Reason
    field: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return self.detail or self.reason.value
