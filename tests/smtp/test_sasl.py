import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.client import Mechanism
from appliance.smtp.reply import Reply
from appliance.smtp.sasl import Exchange
from appliance.smtp.server_events import Login

WORD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def encoded(text: str) -> bytes:
    """The text as a response carries it."""
    return base64.b64encode(text.encode())


def code(step: Login | Reply) -> str:
    """The code and enhanced code of a refusal."""
    assert isinstance(step, Reply)
    return f"{step.code} {step.enhanced}"


@given(WORD, WORD, st.booleans())
def test_plain_gives_what_was_said(name: str, password: str, named: bool) -> None:  # noqa: FBT001 - drawn
    """RFC 4616: any text, with the user's own name as identity or with none."""
    exchange = Exchange(Mechanism.PLAIN)
    identity = name if named else ""
    step = exchange.take(encoded(f"{identity}\0{name}\0{password}"))
    assert step == Login(Mechanism.PLAIN, name, password)


@given(WORD, WORD)
def test_login_gives_what_was_said(name: str, password: str) -> None:
    """Two responses, each any text."""
    exchange = Exchange(Mechanism.LOGIN)
    challenge = exchange.take(encoded(name))
    assert isinstance(challenge, Reply)
    assert challenge.is_go_on
    expected = Login(Mechanism.LOGIN, name, password)
    assert exchange.take(encoded(password)) == expected


@pytest.mark.parametrize(
    "response",
    [
        b"!",
        b"YQ",
        b"YQ===",
        b"Y Q==",
        b"YQ==\r",
        b"=",
        b"**",
        b"\xff\xff",
        encoded("no nul"),
        encoded("\0one"),
        encoded("a\0b\0c\0d"),
        base64.b64encode(b"\0user\0\xff"),
        base64.b64encode(b"\0\xed\xa0\x80\0x"),
        b"",
    ],
)
def test_broken_response_to_plain(response: bytes) -> None:
    """ATTACKS 3: whatever is broken about it, the words are the same."""
    assert code(Exchange(Mechanism.PLAIN).take(response)) == "501 5.5.2"


@pytest.mark.parametrize("response", [b"!", encoded("a\0b"), b"\xff", b"YQ"])
def test_broken_response_to_login(response: bytes) -> None:
    """ATTACKS 3: a broken name or password ends the exchange."""
    assert code(Exchange(Mechanism.LOGIN).take(response)) == "501 5.5.2"
    exchange = Exchange(Mechanism.LOGIN)
    exchange.take(encoded("user"))
    assert code(exchange.take(response)) == "501 5.5.2"


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_star_cancels(mechanism: Mechanism) -> None:
    """ATTACKS 3: a cancelled exchange is no login and has words of its own."""
    assert code(Exchange(mechanism).take(b"*")) == "501 5.5.0"


def test_nobody_logs_in_for_somebody_else() -> None:
    """An identity that is not the user's is refused as a bad login is."""
    step = Exchange(Mechanism.PLAIN).take(encoded("root\0user\0secret"))
    assert code(step) == "535 5.7.8"


@given(st.binary(max_size=60), st.sampled_from(Mechanism))
def test_any_response_is_a_login_or_a_reply(data: bytes, mechanism: Mechanism) -> None:
    """ATTACKS 3: nothing else comes of any bytes."""
    for response in (data, base64.b64encode(data)):
        assert isinstance(Exchange(mechanism).take(response), Login | Reply)
