import pytest

from appliance.core.refusal import Reason, Refusal
from appliance.dialects.sendpost.errors import FAULTS, Fault, Problem, problem_of

CODES = {
    "invalid_request",
    "authentication_failed",
    "resource_not_found",
    "resource_exists",
    "validation_error",
    "rate_limit_exceeded",
    "internal_error",
}
TYPES = {
    "invalid_request_error",
    "authentication_error",
    "not_found_error",
    "conflict_error",
    "rate_limit_error",
    "api_error",
}


@pytest.mark.parametrize("fault", list(Fault))
def test_codes_and_types_are_in_the_vendors_lists(fault: Fault) -> None:
    """Client 3 raises on a type outside of the list instead of showing the error."""
    assert fault.code in CODES
    assert fault.type in TYPES


def test_every_reason_has_an_answer() -> None:
    """A new reason in core cannot be forgotten here."""
    assert set(FAULTS) == set(Reason)


def test_a_refusal_is_worded_once() -> None:
    """The sentence for people and the field at fault go over as they are."""
    refusal = Refusal(Reason.INVALID_VALUE, "subject", "too long")
    assert problem_of(refusal) == Problem(Fault.INVALID, "Too long", "subject")


def test_the_pool_is_called_by_the_vendors_name() -> None:
    """Flow says pool, the sender wrote ippool."""
    problem = problem_of(Refusal(Reason.UNKNOWN_POOL, "pool"))
    assert problem == Problem(Fault.INVALID, "No such pool", "ippool")
