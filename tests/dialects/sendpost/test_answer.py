import json
from pathlib import Path
from uuid import UUID

import pytest

from appliance.core.refusal import Reason, Refusal
from appliance.dialects.sendpost.answer import (
    Answer,
    Result,
    concerns_one_entry,
    render_accepted,
    render_problem,
    render_refusal,
)
from appliance.dialects.sendpost.contract import Contract, choose_contract
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.request import parse_send

GOLDEN = Path(__file__).parent / "golden"
AT_NS = 1567512491587205124
ID = UUID("0c6c7600-e68d-498e-b924-d8105130cc1d")
KEYS = ["to", "submittedAt", "messageId", "errorCode", "message"]


def golden(name: str) -> bytes:
    """The bytes that are promised."""
    return (GOLDEN / name).read_bytes().rstrip(b"\n")


def refused(to: str, reason: Reason, uuid: UUID | None = None) -> Result:
    """An entry that was not accepted."""
    return Result(to, AT_NS, uuid, Refusal(reason))


@pytest.mark.parametrize("contract", list(Contract))
def test_the_documented_answer_is_given_byte_for_byte(contract: Contract) -> None:
    """Both contracts have the same five keys, and no client takes a sixth."""
    body = render_accepted([Result("recipient@example.com", AT_NS, ID)])
    assert body == golden(f"accepted-{contract.value}.json")
    assert [list(element) for element in json.loads(body)] == [KEYS]


def test_each_error_code_is_in_its_place() -> None:
    """Elements are in request order; only a suppressed one has an id beside 0."""
    body = render_accepted(
        [
            Result("a@example.org", AT_NS, ID),
            refused("not an address", Reason.RECIPIENT_INVALID),
            refused("c@example.org", Reason.RECIPIENT_SUPPRESSED, ID),
            refused("d@example.org", Reason.SENDER_NOT_VERIFIED),
            refused("e@example.org", Reason.RATE_LIMITED),
            refused("f@example.org", Reason.SENDER_INVALID),
        ]
    )
    assert body == golden("every-error-code.json")
    assert [one["errorCode"] for one in json.loads(body)] == [0, 1, 2, 3, 4, 5]


def test_integers_are_integers_and_a_list_is_a_list() -> None:
    """The Python client refuses 1.0 and "0", and takes null for no answer."""
    (element,) = json.loads(render_accepted([Result("a@example.org", AT_NS, ID)]))
    assert type(element["submittedAt"]) is int
    assert type(element["errorCode"]) is int
    assert render_accepted([]) == b"[]"


@pytest.mark.parametrize("reason", list(Reason))
def test_no_refusal_is_without_a_code(reason: Reason) -> None:
    """What has no number of its own shows its HTTP status, never 0 for accepted."""
    (element,) = json.loads(render_accepted([refused("a@example.org", reason)]))
    code = element["errorCode"]
    assert code in range(1, 6) if concerns_one_entry(Refusal(reason)) else code >= 400


def test_hostile_text_stays_text() -> None:
    """ATTACKS 19: what was sent as an address comes back as a JSON string."""
    text = '"},{"<script>\u2028\0'
    (element,) = json.loads(render_accepted([refused(text, Reason.RECIPIENT_INVALID)]))
    assert element["to"] == text


PROBLEMS = {
    "400-contract": choose_contract("v2", "", Contract.V1),
    "404-template": parse_send(
        b'{"from":{"email":"a@example.com"},"to":[{"email":"b@example.com"}],'
        b'"template":"welcome"}'
    ),
    "404-path": Problem(Fault.NOT_FOUND, "There is nothing at this path"),
    "405-method": Problem(Fault.METHOD_NOT_ALLOWED, "Only POST is served here"),
    "406-id": Problem(Fault.UNKNOWN_ID, "There is no such webhook", "id"),
    "403-exists": Problem(Fault.EXISTS, "This domain exists already", "name"),
    "422-missing": parse_send(b'{"from":{"email":"a@example.com"},"to":[{}]}'),
    "422-json": parse_send(b"{"),
    "500": Problem(Fault.INTERNAL, "Something went wrong on our side"),
}
REFUSALS = {
    "401-key": Refusal(Reason.BAD_KEY),
    "403-blocked": Refusal(Reason.SUB_ACCOUNT_BLOCKED),
    "422-pool": Refusal(Reason.UNKNOWN_POOL, "pool", "no pool is named gold"),
    "422-large": Refusal(Reason.TOO_LARGE),
    "429": Refusal(Reason.RATE_LIMITED),
    "503": Refusal(Reason.STORE_UNAVAILABLE),
}


def check_error(name: str, answer: Answer) -> None:
    """Compare with the golden file, whose name begins with the status."""
    assert answer.status == int(name[:3])
    assert ("Content-Type", "application/json") in answer.headers
    assert answer.body == golden(f"error-{name}.json")


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_has_its_golden_answer(name: str) -> None:
    """The error body is the published one, the same in both contracts."""
    problem = PROBLEMS[name]
    assert isinstance(problem, Problem)
    check_error(name, render_problem(problem))


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_golden_answer(name: str) -> None:
    """What core and flow refuse is worded by the same table."""
    check_error(name, render_refusal(REFUSALS[name]))


def test_only_what_passes_says_when_to_come_back() -> None:
    """Retry-After is whole seconds, and absent where a retry is of no use."""
    later = render_refusal(Refusal(Reason.RATE_LIMITED), retry_after_s=7)
    assert ("Retry-After", "7") in later.headers
    never = render_refusal(Refusal(Reason.BAD_KEY))
    assert never.headers == (("Content-Type", "application/json"),)
