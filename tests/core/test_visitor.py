import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.visitor import Keep, kept_address


@pytest.mark.parametrize(
    ("ip", "part"),
    [
        ("192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:192.0.2.77", "192.0.2.0"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_part_of_an_address_is_its_network(ip: str, part: str) -> None:
    """256 neighbours, or a whole site: that is nobody in particular."""
    assert kept_address(ip, Keep.PART) == part


def test_an_address_is_kept_or_dropped_as_told() -> None:
    """The operator answers for it."""
    assert kept_address("192.0.2.77", Keep.WHOLE) == "192.0.2.77"
    assert kept_address("2001:DB8:0::1", Keep.WHOLE) == "2001:db8::1"
    assert kept_address("192.0.2.77", Keep.NOTHING) == ""


@given(st.text(max_size=60), st.sampled_from(Keep))
def test_what_is_no_address_is_not_kept(text: str, keep: Keep) -> None:
    """ATTACKS 18: hostile text gets into no event by this door."""
    assert len(kept_address(text, keep)) <= 45
