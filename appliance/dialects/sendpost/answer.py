"""Answers of the send API: one element for each recipient, or one error.

The elements have the same five keys in both contracts (spec, Appendix A and
B), and so has the error body, whose legacy form is not published.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

import msgspec

from appliance.core.refusal import Reason, Refusal
from appliance.dialects.sendpost.errors import FAULTS, Problem, problem_of, sentence
from appliance.value import value

JSON_TYPE = ("Content-Type", "application/json")
ACCEPTED = "Email submitted successfully"
RETRY_AFTER_S = 60

_CODES: Mapping[Reason, int] = MappingProxyType(
    {
        Reason.RECIPIENT_INVALID: 1,
        Reason.RECIPIENT_SUPPRESSED: 2,
        Reason.SENDER_NOT_VERIFIED: 3,
        Reason.SENDER_NOT_PERMITTED: 3,
        Reason.RATE_LIMITED: 4,
        Reason.SENDER_INVALID: 5,
    }
)


@value
class Result:
    """What became of one ``to`` entry; ``to`` is the address as it was sent.

    A suppressed recipient has both a message id and a refusal (spec 8.3); any
    other refused one has no id.
    """

    to: str
    submitted_ns: int
    message_id: UUID | None
    refusal: Refusal | None = None


@value
class Answer:
    """A complete HTTP answer but for the contract's headers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class _EmailResponse(msgspec.Struct, frozen=True, rename="camel"):
    to: str
    submitted_at: int
    message_id: str
    error_code: int
    message: str


class _Detail(msgspec.Struct, frozen=True):
    field: str
    message: str


class _Error(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    message: str
    type: str
    details: tuple[_Detail, ...]
    param: str | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error


def concerns_one_entry(refusal: Refusal) -> bool:
    """True if ``refusal`` is told beside its recipient, not as the whole answer."""
    return refusal.reason in _CODES


def render_accepted(results: Sequence[Result]) -> bytes:
    """The body of a 200: one element for each result, in order.

    The status is 200 even if every element failed.
    """
    return msgspec.json.encode([_element(result) for result in results])


def render_refusal(refusal: Refusal, retry_after_s: int = RETRY_AFTER_S) -> Answer:
    """The answer to a request that core or flow refuse as a whole."""
    return render_problem(problem_of(refusal), retry_after_s)


def render_problem(problem: Problem, retry_after_s: int = RETRY_AFTER_S) -> Answer:
    """The answer to a request that this dialect refuses as a whole.

    ``retry_after_s`` is told where a later try may succeed.
    """
    fault = problem.fault
    details = (_Detail(problem.param, problem.message),) if problem.param else ()
    error = _Error(
        fault.code, problem.message, fault.type, details, problem.param or None
    )
    later = (("Retry-After", str(retry_after_s)),) if fault.passes else ()
    body = msgspec.json.encode(_ErrorBody(error))
    return Answer(fault.status, (JSON_TYPE, *later), body)


def _element(result: Result) -> _EmailResponse:
    refusal = result.refusal
    return _EmailResponse(
        to=result.to,
        submitted_at=result.submitted_ns,
        message_id="" if result.message_id is None else str(result.message_id),
        error_code=0 if refusal is None else _code(refusal),
        message=ACCEPTED if refusal is None else sentence(refusal),
    )


def _code(refusal: Refusal) -> int:
    """The vendor's number, or the status it would have alone.

    Its older examples show such HTTP-like values in this place.
    """
    return _CODES.get(refusal.reason) or FAULTS[refusal.reason].status
