import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.ids import uuid7
from appliance.core.token import MAX_TOKEN_CHARS, Token, TokenKind, TokenMaker

SECRET = b"s" * 32
DELIVERY = uuid7()
KINDS = st.sampled_from(TokenKind)


@given(st.integers(0, 65_535), st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_click_token_gives_back_its_target(link: int, target: str) -> None:
    """The sender's own URL comes out, to the letter."""
    token = Token(TokenKind.CLICK, DELIVERY, link, target)
    maker = TokenMaker(SECRET)
    assert maker.read(maker.seal(token), TokenKind.CLICK) == token


@given(st.integers(0, 65_535), st.text(st.characters(codec="utf-8"), min_size=1))
def test_the_clicks_of_a_mail_are_sealed_as_any_token(link: int, target: str) -> None:
    """The way for many gives the very text of the way for one."""
    maker = TokenMaker(SECRET)
    one = maker.seal(Token(TokenKind.CLICK, DELIVERY, link, target))
    assert maker.clicks(DELIVERY)(link, target) == one


@pytest.mark.parametrize("kind", [TokenKind.OPEN, TokenKind.UNSUBSCRIBE])
def test_a_token_gives_back_its_delivery(kind: TokenKind) -> None:
    """A token names one delivery and nothing else."""
    maker = TokenMaker(SECRET)
    assert maker.read(maker.seal(Token(kind, DELIVERY)), kind) == Token(kind, DELIVERY)


@given(KINDS, KINDS)
def test_a_token_is_good_for_its_own_kind_only(
    made: TokenKind, used: TokenKind
) -> None:
    """ATTACKS 17: an open pixel unsubscribes nobody."""
    maker = TokenMaker(SECRET)
    text = maker.seal(Token(made, DELIVERY))
    assert (maker.read(text, used) is not None) == (made is used)


@given(st.data())
def test_a_changed_token_is_worth_nothing(data: st.DataObject) -> None:
    """ATTACKS 16: no other target, no other delivery, whatever bit is turned."""
    maker = TokenMaker(SECRET)
    text = maker.seal(Token(TokenKind.CLICK, DELIVERY, 3, "https://example.com/"))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCDwxyz0189-_").filter(lambda c: c != text[at]))
    forged = text[:at] + other + text[at + 1 :]
    read = maker.read(forged, TokenKind.CLICK)
    # Only the unused low bits of the last character may differ.
    assert read is None or (
        at == len(text) - 1 and read.target == "https://example.com/"
    )


@given(st.text(max_size=100), KINDS)
def test_junk_is_no_token(text: str, kind: TokenKind) -> None:
    """No text makes the reader fail."""
    assert TokenMaker(SECRET).read(text, kind) is None


def test_another_secret_reads_nothing() -> None:
    """Tokens do not travel between installations."""
    text = TokenMaker(SECRET).seal(Token(TokenKind.OPEN, DELIVERY))
    assert TokenMaker(b"t" * 32).read(text, TokenKind.OPEN) is None


def test_an_endless_token_is_not_even_decoded() -> None:
    """Work per hit is bounded."""
    assert TokenMaker(SECRET).read("A" * (MAX_TOKEN_CHARS + 1), TokenKind.OPEN) is None


LOCAL = Token(TokenKind.UNSUBSCRIBE, DELIVERY, target="1:ann@rcpt.test")


def test_a_local_text_fits_into_a_mailbox() -> None:
    """RFC 5321 4.5.3.1.1: 64 octets with "unsub+" before it; relays may fold case."""
    maker = TokenMaker(SECRET)
    text = maker.seal_local(LOCAL)
    assert len(f"unsub+{text}") <= 64
    assert text.isalnum()
    assert text == text.lower()
    for spelling in (text, text.upper(), text.title()):
        read = maker.read_local(spelling, TokenKind.UNSUBSCRIBE)
        assert read == Token(TokenKind.UNSUBSCRIBE, DELIVERY)


def test_a_local_text_is_good_for_its_own_kind_only() -> None:
    """ATTACKS 17: an address that tells of an open unsubscribes nobody."""
    maker = TokenMaker(SECRET)
    text = maker.seal_local(Token(TokenKind.OPEN, DELIVERY))
    assert maker.read_local(text, TokenKind.UNSUBSCRIBE) is None


@given(st.data())
def test_a_changed_local_text_is_worth_nothing(data: st.DataObject) -> None:
    """ATTACKS 17: an address that is made up unsubscribes nobody."""
    maker = TokenMaker(SECRET)
    text = maker.seal_local(LOCAL)
    at = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from("abyz2567").filter(lambda c: c != text[at]))
    forged = text[:at] + other + text[at + 1 :]
    assert maker.read_local(forged, TokenKind.UNSUBSCRIBE) is None


@given(st.text(max_size=60) | st.text(max_size=53, min_size=53))
def test_junk_is_no_local_text(text: str) -> None:
    """No text makes the reader fail."""
    assert TokenMaker(SECRET).read_local(text, TokenKind.UNSUBSCRIBE) is None
