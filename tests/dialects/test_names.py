import pytest

from appliance.core.credential import make_key
from appliance.dialects.login import find_dialect
from appliance.dialects.names import (
    FIRST_KEYS,
    FIXED_USERNAMES,
    Dialect,
    is_test_key,
    key_prefix,
)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("sendpost", ""), ("anypost", "ap_"), ("postscale", "ps_live_"), ("smtp", "")],
)
def test_a_dialect_has_its_typed_name_and_key_prefix(name: str, prefix: str) -> None:
    """Keys look like the vendor's own, whose clients may check the prefix."""
    dialect = Dialect(name)
    assert dialect.key_prefix == prefix
    assert make_key(dialect.key_prefix).startswith(prefix)


def test_first_keys_have_distinct_json_names() -> None:
    """No first key hides another in the JSON output."""
    names = [key.json_name for key in FIRST_KEYS]
    assert sorted(set(names)) == sorted(names)


def test_only_the_account_key_speaks_for_the_whole_account() -> None:
    """Every other first key belongs to the first sub-account."""
    assert [key.json_name for key in FIRST_KEYS if key.whole_account] == ["accountKey"]


def test_a_test_key_is_known_by_its_text() -> None:
    """Mail under it goes nowhere, and nothing else has to be looked up."""
    prefix = key_prefix(Dialect.POSTSCALE, test=True)
    assert prefix == "ps_test_"
    assert is_test_key(make_key(prefix))
    assert not any(is_test_key(make_key(one.key_prefix)) for one in Dialect)


@pytest.mark.parametrize("dialect", [Dialect.SENDPOST, Dialect.ANYPOST, Dialect.SMTP])
def test_one_dialect_alone_has_test_keys(dialect: Dialect) -> None:
    """To the others every key is a real one."""
    assert key_prefix(dialect, test=True) is None
    assert key_prefix(dialect) == dialect.key_prefix


def test_fixed_user_names_stand_for_a_dialect() -> None:
    """No pair of the operator's may have one of them (login.py)."""
    assert all(find_dialect(one).name.value == one for one in FIXED_USERNAMES)
