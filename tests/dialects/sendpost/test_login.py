from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.credential import Credential, Scope
from appliance.core.ids import AccountId, CredentialId, SubAccountId
from appliance.dialects.sendpost.login import (
    KeyKind,
    read_event_key,
    read_key,
    speaks_for,
)


def credential(sub_account: int | None, dialect: str = "sendpost") -> Credential:
    """A key of the whole account, or of one sub-account."""
    return Credential(
        id=CredentialId(1),
        uuid=UUID(int=1),
        account=AccountId(1),
        sub_account=None if sub_account is None else SubAccountId(sub_account),
        dialect=dialect,
        scope=Scope.FULL,
        name="",
        hint="abcd",
        created_ns=0,
    )


@pytest.mark.parametrize("name", [b"X-SubAccount-ApiKey", b"x-subaccount-apikey"])
def test_the_key_is_found_in_any_case(name: bytes) -> None:
    """Header names have no case (RFC 9110 5.1); spaces around the key are none."""
    headers = [(b"host", b"x"), (name, b" secret ")]
    assert read_key(headers, KeyKind.SUB_ACCOUNT) == "secret"
    assert read_key(headers, KeyKind.ACCOUNT) is None


@pytest.mark.parametrize(
    "values", [[], [b""], [b"a", b"b"], [b"a", b"a"], [b"\xff"], [b"x" * 257]]
)
def test_without_exactly_one_sound_key_there_is_none(values: list[bytes]) -> None:
    """Two keys in one request are no key: it is never a matter of which counts."""
    headers = [(b"X-Account-ApiKey", value) for value in values]
    assert read_key(headers, KeyKind.ACCOUNT) is None


def test_a_key_opens_only_its_own_side() -> None:
    """ATTACKS 12: account and sub-account keys are not good for each other's paths."""
    account, part = credential(None), credential(7)
    assert speaks_for(account, KeyKind.ACCOUNT)
    assert not speaks_for(account, KeyKind.SUB_ACCOUNT)
    assert speaks_for(part, KeyKind.SUB_ACCOUNT)
    assert not speaks_for(part, KeyKind.ACCOUNT)


@pytest.mark.parametrize("dialect", ["anypost", "postscale", "smtp", ""])
def test_another_dialects_key_is_no_key_here(dialect: str) -> None:
    """A key that leaks from one program is not good for another's door."""
    assert not speaks_for(credential(7, dialect), KeyKind.SUB_ACCOUNT)


@given(st.lists(st.tuples(st.binary(), st.binary())), st.sampled_from(KeyKind))
def test_reading_a_key_never_raises(
    headers: list[tuple[bytes, bytes]], kind: KeyKind
) -> None:
    """Any header bytes give a short ASCII key or none."""
    key = read_key([*headers, (kind.value, b"k\x80")], kind)
    assert key is None or key.isascii()


def test_the_key_of_a_log_agent_has_a_header_of_its_own() -> None:
    """ATTACKS 24: it is read as no other kind, and no other kind as it."""
    headers = [(b"X-SP-Event-ApiKey", b"secret")]
    assert read_event_key(headers) == "secret"
    assert [read_key(headers, kind) for kind in KeyKind] == [None, None]
    assert read_event_key([(b"X-Account-ApiKey", b"secret")]) is None
    assert read_event_key(headers * 2) is None
