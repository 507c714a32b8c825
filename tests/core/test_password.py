from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import characters

from appliance.core.password import DUMMY_HASH, check_password, hash_password

PASSWORDS = st.text(characters(exclude_categories=["Cs"]), max_size=40)


@given(PASSWORDS, PASSWORDS)
@settings(max_examples=8, deadline=None)  # each takes about 100 ms, as it should
def test_only_the_password_itself_is_right(password: str, other: str) -> None:
    """Any text may be one, and no other one passes for it."""
    stored = hash_password(password)
    assert check_password(password, stored)
    assert check_password(other, stored) == (other == password)


def test_what_is_stored_tells_nothing() -> None:
    """ATTACKS 27: salted, so that the same password looks different each time."""
    one, two = hash_password("secret"), hash_password("secret")
    assert one != two
    assert "secret" not in one
    assert one.startswith("scrypt$16384,8,1$")


def test_nothing_opens_what_stands_for_nobody() -> None:
    """It has the form and the cost of a real one."""
    assert not check_password("", DUMMY_HASH)
    assert list(map(len, DUMMY_HASH.split("$"))) == list(
        map(len, hash_password("x").split("$"))
    )
