"""The words of a websocket handshake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import EventFilter
from appliance.edge.knock import Knock, read_knock
from appliance.edge.subscription import Refused, Wish


def test_format_and_ticket_stand_beside_the_wish() -> None:
    """The rest is what the event API is asked with."""
    knock = read_knock("/live?after=5&format=other&tag=a%26b&ticket=t%2Bt")
    assert knock == Knock(Wish(5, EventFilter(tag="a&b")), "other", "t+t")
    assert read_knock("/live") == Knock(Wish(None, EventFilter()))


@pytest.mark.parametrize(
    "query", ["format=a&format=b", "ticket=a&ticket=", "key=secret", "after=1&after=1"]
)
def test_a_wrong_question_is_refused(query: str) -> None:
    """A key in particular has no place in a URL; it is not repeated."""
    wish = read_knock(f"/live?{query}").wish
    assert isinstance(wish, Refused)
    assert "secret" not in wish.message


@given(st.text())
def test_any_query_is_read(query: str) -> None:
    """Nothing in a query is a bug of ours."""
    assert isinstance(read_knock("/live?" + query).wish, Wish | Refused)
