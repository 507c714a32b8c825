"""URLs of endpoints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.credential import read_network
from appliance.core.webhook_url import check_url

LOCAL = read_network("127.0.0.0/8")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/mail",
        "https://hooks.example.com:8443/mail?key=1&b=%20",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/x",
        "https://xn--bcher-kva.example/",
    ],
)
def test_good_urls_are_taken(url: str) -> None:
    """Names, public addresses, ports of the web."""
    assert check_url(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "http://hooks.example.com/",
        "https:///path",
        "https://user:pass@hooks.example.com/",
        "https://@hooks.example.com/",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com:25/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nX-Header: 1",
        "https://hooks.example.com/\x00",
        "https://hooks.example.com/\u2028",
        "https://b\u00fccher.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://localhost./",
        "https://x/" + "a" * 2_000,
    ],
)
def test_bad_urls_are_refused(url: str) -> None:
    """ATTACKS 21: other schemes, addresses of the house, header injection."""
    assert check_url(url)


def test_settings_let_more_through() -> None:
    """For tests, and for receivers beside us."""
    assert check_url("http://hooks.example.com/", allow_http=True) == ""
    assert LOCAL is not None
    assert check_url("https://127.0.0.1:9/", allowed=[LOCAL]) == ""
    assert check_url("https://10.0.0.1/", allowed=[LOCAL])


@given(st.text(max_size=50))
def test_no_text_is_too_odd_to_be_judged(text: str) -> None:
    """Nothing raises, and what is taken is one line of plain ASCII."""
    for url in (text, f"https://{text}", f"https://hooks.example.com/{text}"):
        if check_url(url) == "":
            assert url.isascii()
            assert url.isprintable()
            assert " " not in url
