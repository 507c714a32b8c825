from appliance.core.credential import (
    Credential,
    Scope,
    hash_key,
    hint_of,
    make_key,
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
