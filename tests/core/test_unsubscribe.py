import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.core.unsubscribe import Leaver, read_leaver, write_leaver

ANN = Address('"ann:x"', "rcpt.test")


@given(st.integers(1, 1 << 40), st.text(max_size=64))
def test_a_leaver_is_read_back(owner: int, topic: str) -> None:
    """Whatever the topic, and whatever a quoted local part holds."""
    leaver = Leaver(SubAccountId(owner), ANN, topic)
    assert read_leaver(write_leaver(SubAccountId(owner), ANN, topic)) == leaver


def test_links_in_mail_that_has_left_go_on_working() -> None:
    """They were written before there were topics."""
    read = read_leaver("1:ann@rcpt.test")
    assert read == Leaver(SubAccountId(1), Address("ann", "rcpt.test"))


@pytest.mark.parametrize("text", ["", "1:", ":ann@rcpt.test", "x:a@b.test", "1:ann"])
def test_nobody_is_named_by_junk(text: str) -> None:
    """A click's target is none either."""
    assert read_leaver(text) is None
