import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.edge.unsubscribe_page import asking, choose, done, masked
from appliance.flow.engagement import Parting

TEXT = st.text(st.characters(codec="utf-8"), max_size=300)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,en;q=0.5", "de"),
        ("en;q=0.5, de-CH;q=0.9", "de"),
        ("tlh, fr;q=0.3", "fr"),
        ("de;q=0", "en"),
        ("de;q=x", "en"),
        ("*", "en"),
        ("EN-us", "en"),
        ("x," * 500 + "de", "en"),
    ],
)
def test_the_page_speaks_the_browser_s_language(accepted: str, language: str) -> None:
    """RFC 9110 12.5.4, as far as there are texts; else English."""
    assert choose(accepted) == language
    assert f'<html lang="{language}">'.encode() in done(accepted).body


def test_the_page_says_what_it_is_about() -> None:
    """The address in part only: links travel with forwarded mail."""
    page = asking(Parting("ann.smith@rcpt.test", "news", "shop@a.test"), "de")
    text = page.body.decode()
    assert "Adresse: a•••@rcpt.test" in text
    assert "ann" not in text
    assert "Liste: news" in text
    assert "Von: shop@a.test" in text
    assert '<form method="post"><button>Abbestellen</button></form>' in text


def test_a_page_about_nothing_known_still_asks() -> None:
    """A link works when all else has been forgotten."""
    assert b"<form" in asking(None, "").body


@given(TEXT, TEXT, TEXT, TEXT)
def test_hostile_text_is_text(who: str, topic: str, sender: str, accepted: str) -> None:
    """ATTACKS 18: no tag of theirs, whatever the sender or the topic is called."""
    text = asking(Parting(who, topic, sender), accepted).body.decode(errors="replace")
    about = text.partition("<p>")[2].partition("<form")[0]
    for allowed in ("<p>", "</p>", "<br>"):
        about = about.replace(allowed, "")
    assert "<" not in about


def test_an_address_is_masked() -> None:
    """However short it is."""
    assert masked("bob@rcpt.test") == "b•••@rcpt.test"
    assert masked("@rcpt.test") == "•••@rcpt.test"
