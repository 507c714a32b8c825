from email.utils import parsedate_to_datetime

import pytest

from appliance.dialects.sendpost.contract import (
    Contract,
    choose_contract,
    contract_headers,
)
from appliance.dialects.sendpost.errors import Fault, Problem

OTHER = {Contract.V1: Contract.LEGACY, Contract.LEGACY: Contract.V1}


@pytest.mark.parametrize("contract", list(Contract))
@pytest.mark.parametrize("user_agent", ["", "OpenAPI-Generator/3.0.0/python"])
def test_the_header_decides_before_all_else(
    contract: Contract, user_agent: str
) -> None:
    """Who asks for a contract gets it, whatever client and default say."""
    chosen = choose_contract(contract.value, user_agent, OTHER[contract])
    assert chosen is contract


@pytest.mark.parametrize(
    ("user_agent", "contract"),
    [
        ("OpenAPI-Generator/3.0.0/python", Contract.V1),
        ("OpenAPI-Generator/2.0.1/python", Contract.LEGACY),
        ("OpenAPI-Generator/1.0.1/go", Contract.LEGACY),
        ("OpenAPI-Generator/1.0.0/java", Contract.LEGACY),
        ("OpenAPI-Generator/2.0.1/Javascript", Contract.LEGACY),
        ("OpenAPI-Generator/1.2.2/go", Contract.LEGACY),
    ],
)
def test_the_vendors_clients_get_what_they_can_read(
    user_agent: str, contract: Contract
) -> None:
    """None of them sends the header, so each is known by its User-Agent."""
    assert choose_contract(None, user_agent, OTHER[contract]) is contract


@pytest.mark.parametrize("user_agent", ["", "curl/8.5", "OpenAPI-Generator/30.1"])
@pytest.mark.parametrize("default", list(Contract))
def test_anyone_else_gets_the_default(user_agent: str, default: Contract) -> None:
    """An unknown client is answered as the operator set it."""
    assert choose_contract(None, user_agent, default) is default


@pytest.mark.parametrize("header", ["", "v2", "legacy,v1", "v1\r\nX: y", "ü"])
def test_a_header_that_names_no_contract_is_refused(header: str) -> None:
    """An asked-for contract is never guessed, and never echoed."""
    problem = choose_contract(header, "", Contract.V1)
    assert isinstance(problem, Problem)
    assert problem.fault is Fault.BAD_REQUEST


def test_v1_answers_name_their_contract() -> None:
    """The applied contract is all that is said."""
    assert contract_headers(Contract.V1) == (("X-SendPost-Public-Contract", "v1"),)


def test_legacy_answers_say_that_they_are() -> None:
    """A client learns by when, and from which page, it should have moved on."""
    headers = dict(contract_headers(Contract.LEGACY))
    assert headers["X-SendPost-Public-Contract"] == "legacy"
    assert headers["Deprecation"] == "true"
    assert headers["Link"] == '</docs/sendpost>; rel="deprecation"'
    sunset = parsedate_to_datetime(headers["Sunset"])
    assert sunset.strftime("%a, %d %b %Y %H:%M:%S GMT") == headers["Sunset"]
