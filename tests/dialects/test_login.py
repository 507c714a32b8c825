import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialects.login import find_dialect
from appliance.dialects.names import Dialect


@pytest.mark.parametrize(
    ("username", "dialect"),
    [
        ("anypost", Dialect.ANYPOST),
        ("Anypost", Dialect.SMTP),
        ("anypost ", Dialect.SMTP),
        ("postscale", Dialect.POSTSCALE),
        ("PostScale", Dialect.POSTSCALE),
        ("po\u017ftscale", Dialect.SMTP),
        ("sendpost", Dialect.SMTP),
        ("smtp_0123456789ab", Dialect.SMTP),
        ("", Dialect.SMTP),
    ],
)
def test_the_user_name_decides_the_dialect(username: str, dialect: Dialect) -> None:
    """One vendor's word is literal, the other's has no case, the rest are pairs."""
    assert find_dialect(username).name is dialect


@given(st.text())
def test_any_user_name_has_a_dialect(username: str) -> None:
    """ATTACKS 3: what is refused is refused in some words, never by an error."""
    assert find_dialect(username).name in Dialect
