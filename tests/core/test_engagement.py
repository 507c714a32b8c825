import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.engagement import (
    ANNOUNCED,
    BURST,
    HASTY_CLICK,
    HASTY_OPEN,
    NO_SIGN,
    TOO_SOON_NS,
    Verdict,
    judge_moment,
    judge_visitor,
    parse_rules,
    read_rules,
)

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/124.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Mobile/15E148"
)
OUTLOOK = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17425; Pro)"
GMAIL = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0"
    " (via ggpht.com GoogleImageProxy)"
)
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
SLACK = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"
HOME = "192.0.2.1"


@pytest.mark.parametrize(
    ("agent", "verdict"),
    [
        (CHROME, Verdict.HUMAN),
        (IPHONE, Verdict.HUMAN),
        (OUTLOOK, Verdict.HUMAN),
        ("Thunderbird/115.0", Verdict.HUMAN),
        (GMAIL, Verdict.PROXY),
        (YAHOO, Verdict.PROXY),
        ("Mozilla/5.0 (compatible; YandexImageResizer/2.0)", Verdict.PROXY),
        ("Mozilla/5.0", Verdict.PREFETCH),
        (SLACK, Verdict.PREFETCH),
        ("facebookexternalhit/1.1", Verdict.PREFETCH),
        ("BarracudaCentral/1.0", Verdict.SCANNER),
        ("Mozilla/5.0 Proofpoint URL Defense", Verdict.SCANNER),
        ("Mimecast-URL-Protection", Verdict.SCANNER),
        ("Microsoft SafeLinks", Verdict.SCANNER),
        ("curl/8.5.0", Verdict.SCANNER),
        ("python-requests/2.31.0", Verdict.SCANNER),
        (CHROME.replace("Chrome", "HeadlessChrome"), Verdict.SCANNER),
        ("Mozilla/5.0 (compatible; SomeBot/1.0; +http://a.test)", Verdict.SCANNER),
        ("", Verdict.SCANNER),
        ("   ", Verdict.SCANNER),
    ],
)
def test_a_user_agent_tells_programs_from_people(agent: str, verdict: Verdict) -> None:
    """In any case of its letters; a person is whom nothing betrays."""
    assert judge_visitor(agent, HOME).verdict is verdict
    assert judge_visitor(agent.upper(), HOME).verdict is verdict


def test_a_verdict_has_its_reason() -> None:
    """It names the rule that spoke."""
    assert judge_visitor(GMAIL, HOME).reason == "agent: Google image proxy"
    assert judge_visitor(CHROME, "67.231.150.1").reason == "network: Proofpoint"
    assert judge_visitor(CHROME, HOME) == NO_SIGN


@pytest.mark.parametrize("ip", ["67.231.144.0", "::ffff:67.231.159.255"])
def test_a_network_betrays_who_looks_like_a_browser(ip: str) -> None:
    """Scanners borrow the names of browsers; their networks are published."""
    assert judge_visitor(CHROME, ip).verdict is Verdict.SCANNER


@pytest.mark.parametrize("ip", ["", "unix:", "67.231.160.0", "2001:db8::1", "x" * 99])
def test_other_addresses_betray_nothing(ip: str) -> None:
    """No address, a neighbour's, or junk."""
    assert judge_visitor(CHROME, ip) == NO_SIGN


def test_what_a_visitor_does_betrays_it_too() -> None:
    """A header that says so, a burst; who is known already keeps its verdict."""
    assert judge_visitor(CHROME, HOME, announced=True) == ANNOUNCED
    assert judge_visitor(CHROME, HOME, burst=True) == BURST
    assert judge_visitor(GMAIL, HOME, burst=True).verdict is Verdict.PROXY


def test_nobody_clicks_two_seconds_after_sending() -> None:
    """From the third second on, and when the moment is unknown, a person may."""
    for since_ns in (-1, 0, TOO_SOON_NS - 1):
        assert judge_moment(NO_SIGN, since_ns, is_click=True) == HASTY_CLICK
        assert judge_moment(NO_SIGN, since_ns, is_click=False) == HASTY_OPEN
    for since_later in (TOO_SOON_NS, None):
        assert judge_moment(NO_SIGN, since_later, is_click=True) == NO_SIGN
    assert judge_moment(BURST, 0, is_click=True) == BURST


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_visitor_gets_a_verdict(agent: str, ip: str) -> None:
    """ATTACKS 18: hostile text is judged as text."""
    assert judge_visitor(agent, ip).reason


def test_the_shipped_rules_are_sound() -> None:
    """Words can match (small letters), names are unique, networks are public."""
    rules = read_rules()
    assert rules.version >= 1
    words = [word for one in rules.agents for word in (*one.words, *one.exact)]
    assert words == [word.lower().strip() for word in words]
    assert len(words) == len(set(words))
    for one in rules.networks:
        assert all(prefix.is_global for prefix in one.prefixes)
        assert not any(
            prefix.overlaps(ipaddress.ip_network("10.0.0.0/8"))
            for prefix in one.prefixes
        )


@pytest.mark.parametrize(
    "row",
    ['words = ["x"]', 'word = ["x"]\nverdict = "proxy"', 'verdict = "alien"'],
)
def test_a_bad_rule_is_an_error(row: str) -> None:
    """A typo does not lie there unnoticed."""
    text = f'version = 1\nnetwork = []\n[[agent]]\nname = "x"\n{row}\n'
    with pytest.raises((KeyError, ValueError)):
        parse_rules(text)
