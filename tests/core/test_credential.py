from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from appliance.core.credential import (
    Credential,
    Scope,
    hash_key,
    hint_of,
    make_key,
    make_username,
    read_network,
)
from appliance.core.ids import AccountId, CredentialId, uuid7


def credential(*domains: str) -> Credential:
    """A key of the whole account with an optional list."""
    return Credential(
        id=CredentialId(1),
        uuid=uuid7(),
        account=AccountId(1),
        sub_account=None,
        dialect="x",
        scope=Scope.FULL,
        name="",
        hint="",
        created_ns=0,
        allowed_domains=frozenset(domains),
    )


def test_a_key_without_a_list_may_send_as_any_domain() -> None:
    """The list narrows; verification is asked elsewhere."""
    assert credential().permits("example.com")


def test_a_key_with_a_list_may_send_as_these_only() -> None:
    """ATTACKS 7: a key limited to A does not send as B."""
    assert credential("a.example").permits("a.example")
    assert not credential("a.example").permits("b.example")
    assert not credential("a.example").permits("sub.a.example")


def test_keys_are_long_and_differ() -> None:
    """256 random bits behind the prefix."""
    made = {make_key("ap_") for _ in range(100)}
    assert len(made) == 100
    assert {len(key) for key in made} == {46}
    assert all(key.startswith("ap_") and key[3:].isalnum() for key in made)


def test_a_key_is_known_by_its_hash_and_shown_by_its_end() -> None:
    """Neither gives the key away."""
    assert hash_key("abcd1234") == hash_key("abcd1234") != hash_key("abcd1235")
    assert hint_of("abcd1234") == "1234"


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:192.0.3.7", False),
        ("2001:db8::1", True),
        ("2001:db8:1::1", False),
    ],
)
def test_a_key_with_networks_is_admitted_from_these_only(
    address: str, *, admitted: bool
) -> None:
    """IPv4 inside IPv6 is IPv4; without a list it may come from anywhere."""
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/48"))
    limited = replace(credential(), allowed_networks=networks)
    assert limited.admits(ip_address(address)) is admitted
    assert credential().admits(ip_address(address))


def test_an_address_is_a_network_of_one() -> None:
    """What is neither is refused, and so is a network with host bits set."""
    assert str(read_network(" 192.0.2.1 ")) == "192.0.2.1/32"
    assert read_network("192.0.2.1/24") is None
    assert read_network("example.com") is None


def test_user_names_differ() -> None:
    """Made ones do not collide, and need no quoting anywhere."""
    made = {make_username() for _ in range(100)}
    assert len(made) == 100
    assert all(name.startswith("smtp_") and name[5:].isalnum() for name in made)
