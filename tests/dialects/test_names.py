import pytest

from appliance.core.credential import make_key
from appliance.dialects.names import FIRST_KEYS, Dialect


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
