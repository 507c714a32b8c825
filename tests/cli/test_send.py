"""`postroom send`."""

import base64
import json
from pathlib import Path

import pytest

from .conftest import Postroom

MAIL = ("--from", "Me <me@example.com>", "--to", "you@example.net", "--subject", "Hi")


@pytest.fixture(autouse=True)
def _no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers questions about names."""
    monkeypatch.setenv("POSTROOM_DNS_NAMESERVERS", "127.0.0.1:9")
    monkeypatch.setenv("POSTROOM_DNS_TIMEOUT", "50ms")


def queued(ready: Postroom) -> int:
    """How many deliveries wait."""
    count: int = json.loads(ready("status", "--json").stdout)["queued"]
    return count


def test_a_dry_run_shows_the_mail_and_keeps_nothing(sender: Postroom) -> None:
    """The bytes, where they would go and when, and what the DNS says of them."""
    words = ("--text", "x", "--dry-run")
    result = sender("send", *MAIL, *words, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["to"], told["refusal"]) == ("you@example.net", None)
    (one,) = told["deliveries"]
    assert (one["provider"], told["pool"]) == ("capture", "sandbox")
    assert b"\r\nSubject: Hi\r\n" in base64.b64decode(one["raw"])
    assert not one["dkim"][0]["valid"]
    shown = sender("send", *MAIL, *words).stdout
    assert "Provider         capture (share 100% of pool sandbox)\n" in shown
    assert "._domainkey.example.com: " in shown
    assert "\nSubject: Hi\n" in shown
    assert queued(sender) == 0
    assert not sender("events", "list").stdout


def test_a_dry_run_says_what_would_be_refused(ready: Postroom) -> None:
    """With status 1, as the send itself."""
    for words in ((), ("--json",)):
        result = ready("send", *MAIL, "--text", "x", "--dry-run", *words)
        assert result.exit_code == 1
        assert "Sender domain example.com is not verified" in result.stdout
        assert "1 of 1 would be refused" in result.stderr


def test_a_mail_is_on_disk_when_its_id_is_printed(sender: Postroom) -> None:
    """One object for each recipient, and the event that says so."""
    result = sender("send", *MAIL, "--to", "us@example.org", "--text", "x", "--json")
    assert result.exit_code == 0, result.stderr
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["to"] == "you@example.net"
    assert second["to"] == "us@example.org"
    assert queued(sender) == 2
    listed = sender("events", "list", "--message", first["message"], "--json").stdout
    event = json.loads(listed)
    assert event["name"] == "processed"
    assert event["to"] == "you@example.net"


def test_text_comes_from_standard_input_when_asked(sender: Postroom) -> None:
    """The dash is the usual one."""
    assert sender("send", *MAIL, "--text", "-", typed="Hello\n").exit_code == 0
    assert queued(sender) == 1


def test_html_and_attachments_come_from_files(sender: Postroom, tmp_path: Path) -> None:
    """Their bytes are in the store."""
    (tmp_path / "a.html").write_text("<p>Hi</p>")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)))
    files = ("--html", str(tmp_path / "a.html"), "--attach", str(tmp_path / "b.bin"))
    assert sender("send", *MAIL, *files).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said", "cure"),
    [
        (("--pool", "nowhere"), "There is no pool named", "postroom pool list"),
        (("--from", "me@other.com"), "other.com is not verified", "postroom domain"),
    ],
)
def test_a_refusal_says_why_and_what_helps(
    sender: Postroom, words: tuple[str, ...], said: str, cure: str
) -> None:
    """Status 1, the reason on the recipient's line, the cure on standard error."""
    result = sender("send", *MAIL, "--text", "x", *words)
    assert result.exit_code == 1
    assert said in result.stdout
    assert cure in result.stderr
    assert queued(sender) == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--from", "nobody", "--to", "a@example.net", "--subject", "x", "--text", "x"),
        ("--from", "a\r\nBcc: x <a@example.com>", *MAIL[2:], "--text", "x"),
        (*MAIL[:4], "--subject", "x\r\nBcc: all@example.net", "--text", "x"),
        (*MAIL[:4], "--subject", "x\x00", "--text", "x"),
        (*MAIL[:2], "--to", "a@b@c", *MAIL[4:], "--text", "x"),
        MAIL,
        (*MAIL, "--html", "/does/not/exist"),
        (*MAIL, "--text", "-", "--html", "-"),
    ],
)
def test_what_cannot_be_a_mail_is_wrong_usage(
    sender: Postroom, words: tuple[str, ...]
) -> None:
    """ATTACKS 9: no option breaks out of its header."""
    assert sender("send", *words).exit_code == 2
    assert queued(sender) == 0


def test_too_large_files_are_refused(
    sender: Postroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings bound attachments in all, not each."""
    monkeypatch.setenv("POSTROOM_INTAKE_MAX_ATTACHMENTS", "1KiB")
    (tmp_path / "a").write_bytes(b"x" * 600)
    one = ("--attach", str(tmp_path / "a"))
    assert sender("send", *MAIL, "--text", "x", *one).exit_code == 0
    result = sender("send", *MAIL, "--text", "x", *one, *one)
    assert result.exit_code == 1
    assert "too large" in result.stderr


def test_text_that_is_no_text_is_refused(sender: Postroom, tmp_path: Path) -> None:
    """Bytes are not guessed at."""
    (tmp_path / "a.html").write_bytes(b"\xff\xfe")
    result = sender("send", *MAIL, "--html", str(tmp_path / "a.html"))
    assert result.exit_code == 1
    assert "is not UTF-8 text" in result.stderr
