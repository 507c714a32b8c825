"""What a handshake asks for, and whose page asks."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.event import EventFilter, EventType
from appliance.edge.subscription import Refused, Wish, is_foreign, read_wish


def test_all_parameters_are_optional() -> None:
    """No query wishes for everything from now on."""
    assert read_wish("/live") == Wish(None, EventFilter())


def test_a_whole_question_is_read() -> None:
    """A number, types by name and by number, a message."""
    message = UUID(int=7)
    assert read_wish(f"/live?after=5&type=sent,60&message={message}") == Wish(
        5, EventFilter(frozenset({EventType.SENT, EventType.DELIVERED}), message)
    )


@given(st.text())
def test_any_query_is_a_wish_or_a_refusal(query: str) -> None:
    """Nothing in a query is a bug of ours, and no refusal repeats all of it."""
    wish = read_wish("/live?" + query)
    assert isinstance(wish, Wish) or (
        isinstance(wish, Refused) and wish.status == 400 and len(wish.message) < 600
    )


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        (b"http://mail.example", False),
        (b"https://mail.example", False),
        (b"HTTPS://MAIL.EXAMPLE", False),
        (b"https://dash.example", False),
        (b"https://dash.example.evil", True),
        (b"https://mail.example.evil", True),
        (b"https://mail.example@evil", True),
        (b"https://mail.example:444", True),
        (b"file://mail.example", True),
        (b"null", True),
        (b"", True),
        (b"\xff", True),
        (b"http://[", True),
    ],
)
def test_only_our_own_pages_are_not_foreign(*, origin: bytes, foreign: bool) -> None:
    """ATTACKS 20: the same host or one that is listed, by the whole name."""
    headers = [(b"host", b"mail.example"), (b"origin", origin)]
    assert is_foreign(headers, {"https://dash.example"}) is foreign


def test_programs_send_no_origin() -> None:
    """Without an Origin there is no page; two of them are no browser's."""
    assert not is_foreign([(b"host", b"a")], ())
    assert is_foreign([(b"origin", b"http://a"), (b"origin", b"http://a")], ())
    assert is_foreign([(b"host", b"a"), *[(b"origin", b"http://a")] * 2], ())
