import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.user_agent import UserAgent, parse_user_agent

KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            (
                f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KHTML} Chrome/124.0.0.0"
                " Safari/537.36"
            ),
            UserAgent("Chrome", "124.0.0.0", "Windows", "10"),
        ),
        (
            (
                f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KHTML} Chrome/124.0.0.0"
                " Safari/537.36 Edg/124.0.2478.51"
            ),
            UserAgent("Edge", "124.0.2478.51", "Windows", "10"),
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X)"
                " AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
            ),
            UserAgent("Apple Mail", "605.1.15", "iOS", "17.4.1", "iPhone"),
        ),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
                " (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
            ),
            UserAgent("Safari", "17.4", "Mac OS X", "10.15.7", "Mac"),
        ),
        (
            (
                f"Mozilla/5.0 (Linux; Android 14; SM-S921B) {KHTML}"
                " SamsungBrowser/24.0 Chrome/117.0.0.0 Mobile Safari/537.36"
            ),
            UserAgent("Samsung Internet", "24.0", "Android", "14", "Samsung"),
        ),
        (
            (
                f"Mozilla/5.0 (Linux; Android 10; K) {KHTML} Chrome/124.0.0.0 Mobile"
                " Safari/537.36"
            ),
            UserAgent("Chrome", "124.0.0.0", "Android", "10", "Android phone"),
        ),
        (
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101"
                " Thunderbird/115.9.0"
            ),
            UserAgent("Thunderbird", "115.9.0", "Linux", ""),
        ),
        (
            "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.1; Pro)",
            UserAgent("Outlook", "16.0.1", "Windows", "10"),
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0"
                " (via ggpht.com GoogleImageProxy)"
            ),
            UserAgent("GoogleImageProxy", "", "Windows", "XP"),
        ),
        ("Reader/1", UserAgent()),
        ("", UserAgent()),
    ],
)
def test_families_and_versions_are_told(text: str, said: UserAgent) -> None:
    """What opens most of the world's mail, and nothing made up for the rest."""
    assert parse_user_agent(text) == said


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    """ATTACKS 18: what is told of it is short, whatever it is."""
    said = parse_user_agent(text)
    assert len(said.version) <= 27
    assert len(said.os_version) <= 27
