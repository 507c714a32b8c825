"""Everything that can be wrong, and the HTTP status, code and type it answers with.

The one table of error answers. Codes and types are the vendor's closed lists
(SDK 3 enforces the types); which belongs to which status is our choice where
nothing is published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from appliance.core.refusal import Reason, Refusal


class Fault(Enum):
    """A kind of error answer: status, ``error.code``, ``error.type``."""

    BAD_REQUEST = (400, "invalid_request", "invalid_request_error")
    UNAUTHENTICATED = (401, "authentication_failed", "authentication_error")
    FORBIDDEN = (403, "authentication_failed", "authentication_error")
    EXISTS = (403, "resource_exists", "conflict_error")
    NOT_FOUND = (404, "resource_not_found", "not_found_error")
    METHOD_NOT_ALLOWED = (405, "invalid_request", "invalid_request_error")
    UNKNOWN_ID = (406, "resource_not_found", "not_found_error")
    TOO_LARGE = (413, "invalid_request", "invalid_request_error")
    INVALID = (422, "validation_error", "invalid_request_error")
    RATE_LIMITED = (429, "rate_limit_exceeded", "rate_limit_error")
    INTERNAL = (500, "internal_error", "api_error")
    UNAVAILABLE = (503, "internal_error", "api_error")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def code(self) -> str:
        """The vendor's ``error.code``."""
        return self.value[1]

    @property
    def type(self) -> str:
        """The vendor's ``error.type``."""
        return self.value[2]

    @property
    def passes(self) -> bool:
        """True if the same request may succeed a little later."""
        return self in {Fault.RATE_LIMITED, Fault.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a whole request is answered with an error.

    ``param`` is the JSON path at fault, such as ``to[0].email``, "" for none.
    """

    fault: Fault
    message: str
    param: str = ""


FAULTS: Mapping[Reason, Fault] = MappingProxyType(
    {
        Reason.BAD_KEY: Fault.UNAUTHENTICATED,
        Reason.LOGIN_REFUSED: Fault.UNAUTHENTICATED,
        Reason.LOGIN_NEEDED: Fault.UNAUTHENTICATED,
        Reason.OUT_OF_SCOPE: Fault.FORBIDDEN,
        Reason.SUB_ACCOUNT_BLOCKED: Fault.FORBIDDEN,
        Reason.MALFORMED: Fault.INVALID,
        Reason.INVALID_VALUE: Fault.INVALID,
        # The vendor's send API has no 413: what is too large does not validate.
        Reason.TOO_LARGE: Fault.INVALID,
        Reason.NULL_SENDER: Fault.INVALID,
        Reason.SENDER_INVALID: Fault.INVALID,
        Reason.SEVERAL_SENDERS: Fault.INVALID,
        Reason.SENDER_NOT_VERIFIED: Fault.FORBIDDEN,
        Reason.SENDER_NOT_PERMITTED: Fault.FORBIDDEN,
        Reason.RECIPIENT_INVALID: Fault.INVALID,
        Reason.RECIPIENT_SUPPRESSED: Fault.INVALID,
        Reason.ADDRESS_UNSUPPORTED: Fault.INVALID,
        Reason.MAIL_LOOP: Fault.INVALID,
        Reason.IDEMPOTENCY_MISMATCH: Fault.INVALID,
        Reason.UNKNOWN_POOL: Fault.INVALID,
        Reason.POOL_EMPTY: Fault.INVALID,
        Reason.RATE_LIMITED: Fault.RATE_LIMITED,
        Reason.STORE_UNAVAILABLE: Fault.UNAVAILABLE,
    }
)

_PARAMS: Mapping[Reason, str] = MappingProxyType(
    {Reason.UNKNOWN_POOL: "ippool", Reason.POOL_EMPTY: "ippool"}
)


def problem_of(refusal: Refusal) -> Problem:
    """``refusal`` in the vendor's terms, for a request refused as a whole."""
    param = _PARAMS.get(refusal.reason, refusal.field)
    return Problem(FAULTS[refusal.reason], sentence(refusal), param)


def invalid(param: str, message: str) -> Problem:
    """The answer to a body with something wrong at ``param``."""
    return Problem(Fault.INVALID, message, param)


def sentence(refusal: Refusal) -> str:
    """What ``refusal`` says to people, as a sentence begins."""
    text = str(refusal)
    return text[:1].upper() + text[1:]
