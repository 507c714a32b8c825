import pytest

from appliance.mime.pieces import read_mail
from appliance.mime.report_text import report_text


def shown(markup: str) -> str:
    """What is read of an HTML mail."""
    return report_text(read_mail(f"Content-Type: text/html\n\n{markup}".encode()))


def test_blocks_are_lines_and_the_rest_of_the_markup_is_gone() -> None:
    """As a reader sees it, roughly."""
    markup = "<p>a<b>b</b>&lt;c&#64;d&gt;<br/>e</p><div class='x'>f</div>"
    assert shown(markup).split() == ["ab<c@d>", "e", "f"]


def test_styles_and_scripts_are_not_read() -> None:
    """Nobody sees them; one that has no end ends all."""
    assert shown("a<style>b</style>c<SCRIPT x='y'>d</script>e") == "ace"
    assert shown("a<style>b<p>c") == "a"


def test_plain_text_comes_before_html() -> None:
    """Which of the alternatives is first does not matter."""
    data = (
        b"Content-Type: multipart/alternative; boundary=b\n\n"
        b"--b\nContent-Type: text/html\n\n<p>h</p>\n--b\n\np\n--b--\n"
    )
    assert report_text(read_mail(data)) == "p"


@pytest.mark.parametrize(
    "line",
    [
        *("--- Below this line is a copy of the message.", "Received: from x by y"),
        *("------ This is a copy of the message's headers. ------", "Return-Path: <>"),
        *("   ----- Original message follows -----", "Original message headers:"),
        *("------- Returned Message --------", "----- Unsent message follows -----"),
    ],
)
def test_the_copy_of_our_mail_is_left_out(line: str) -> None:
    """Whoever wrote it, it is not the report."""
    assert report_text(read_mail(f"\nreport\n{line}\ncopy".encode())) == "report"


@pytest.mark.parametrize(
    "line",
    ["Subject: x", "  To: x", "The message subject was: x", "Betreff: x", "| Sent: x"],
)
def test_what_is_quoted_of_our_header_is_left_out(line: str) -> None:
    """Its subject could say anything."""
    assert report_text(read_mail(f"\na\n{line}\nb".encode())) == "a\n\nb"


def test_a_mail_without_text_has_none() -> None:
    """A picture says nothing here."""
    assert report_text(read_mail(b"Content-Type: image/png\n\nx")) == ""
