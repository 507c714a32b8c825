from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address, parse_address
from appliance.core.ids import SubAccountId
from appliance.core.verp import (
    is_complaint_address,
    parse_return_path,
    return_path,
    unsubscribe_text,
)


@given(st.uuids(), st.integers(1, 10**12))
def test_a_return_path_names_its_delivery(delivery: UUID, sub_account: int) -> None:
    """Also after a relay has folded its case."""
    path = return_path(delivery, SubAccountId(sub_account), "sp-bounce.example.com")
    assert parse_return_path(path) == (delivery, sub_account)
    shouted = Address(path.local.upper(), path.domain)
    assert parse_return_path(shouted) == (delivery, sub_account)


@given(st.uuids(), st.integers(1, 10**12))
def test_a_return_path_is_an_address(delivery: UUID, sub_account: int) -> None:
    """It fits the 64 octets of a local part (RFC 5321 4.5.3.1.1)."""
    path = return_path(delivery, SubAccountId(sub_account), "sp-bounce.example.com")
    assert parse_address(str(path)) == path


@pytest.mark.parametrize(
    "local", ["bounces", "bounces+1+2", "bounces+zz+1", "postmaster", "bounces+"]
)
def test_other_addresses_are_no_return_paths(local: str) -> None:
    """Mail to them is not about a delivery."""
    assert parse_return_path(Address(local, "sp-bounce.example.com")) is None


def test_complaints_and_ways_out_have_addresses_of_their_own() -> None:
    """In any case of their letters; what is about both is about neither."""
    host = "sp-bounce.example.com"
    assert is_complaint_address(Address("Complaints", host))
    assert not is_complaint_address(Address("complaints+x", host))
    assert unsubscribe_text(Address("UNSUB+Abc", host)) == "abc"
    for other in ("unsub", "unsub+", "complaints", "bounces+1+2"):
        assert unsubscribe_text(Address(other, host)) == ""
