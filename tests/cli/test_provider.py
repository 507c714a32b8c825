"""`postroom provider`, against an SMTP server that we did not write."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from .conftest import Postroom


class Upstream:
    """Takes mail, or refuses a recipient."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Refuse nobody@."""
        if address.startswith("nobody@"):
            return "550 5.1.1 no \x1b[31msuch user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep it."""
        self.mails.append(envelope)
        return "250 2.0.0 Ok: queued"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server in a thread of its own."""
    handler = Upstream()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    handler.port = controller.port
    yield handler
    controller.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def at(port: int, *more: str) -> list[str]:
    """The words that name a server in clear."""
    return ["--host", "127.0.0.1", "--port", str(port), "--security", "none", *more]


MAIL = ("--test-from", "a@example.com", "--test-to", "b@example.net")


def names(ready: Postroom) -> list[str]:
    """The providers there are."""
    lines = ready("provider", "list", "--json").stdout.splitlines()
    return [json.loads(one)["name"] for one in lines]


def test_a_provider_is_added_after_a_whole_transaction(
    ready: Postroom, upstream: Upstream
) -> None:
    """The test message says what it is, and each step is told with its time."""
    result = ready("provider", "add", "post", *at(upstream.port), *MAIL, "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert [one["step"] for one in facts["steps"]] == [
        "connect",
        "ehlo",
        "mail",
        "rcpt",
        "data",
        "dot",
        "quit",
    ]
    assert all(one["ms"] >= 0 for one in facts["steps"])
    (mail,) = upstream.mails
    assert mail.mail_from == "a@example.com"
    assert mail.rcpt_tos == ["b@example.net"]
    assert isinstance(mail.content, bytes)
    assert b"X-Postroom-Test: 1\r\n" in mail.content
    assert names(ready) == ["capture", "post"]


def test_a_failing_test_adds_nothing(ready: Postroom) -> None:
    """The refusal names the class of the failure."""
    result = ready("provider", "add", "post", *at(free_port()))
    assert result.exit_code == 1
    assert "Connection refused at connect" in result.stderr
    assert "--no-test" in result.stderr
    assert names(ready) == ["capture"]


def test_a_refusal_is_shown_and_not_obeyed(ready: Postroom, upstream: Upstream) -> None:
    """ATTACKS 23: the server's words appear without its escape sequences."""
    words = ("--test-from", "a@example.com", "--test-to", "nobody@example.net")
    result = ready("provider", "add", "post", *at(upstream.port), *words)
    assert result.exit_code == 1
    assert "RCPT TO failure at rcpt" in result.stderr
    assert "5.1.1 no" in result.stderr
    assert "\x1b" not in result.output


def test_no_test_is_taken_at_its_word(ready: Postroom) -> None:
    """What cannot be reached yet may be set up."""
    assert ready("provider", "add", "post", *at(1), "--no-test").exit_code == 0
    assert names(ready) == ["capture", "post"]


def test_a_provider_can_be_tested_later(ready: Postroom, upstream: Upstream) -> None:
    """The exit status tells whether it works."""
    ready("provider", "add", "post", *at(upstream.port), "--no-test")
    result = ready("provider", "test", "post", *MAIL)
    assert result.exit_code == 0
    assert "250" in result.stdout
    assert " ms " in result.stdout
    ready("provider", "add", "gone", *at(free_port()), "--no-test")
    result = ready("provider", "test", "gone", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["success"] is False
    assert "Connection refused" in json.loads(result.stderr)["error"]["message"]


def test_there_is_nothing_to_test_in_capture(ready: Postroom) -> None:
    """It sends nothing."""
    result = ready("provider", "test", "capture")
    assert result.exit_code == 1
    assert "no server to test" in result.stderr


@pytest.mark.parametrize("way", ["file", "environment", "prompt"])
def test_the_password_is_never_an_argument_and_never_shown(
    ready: Postroom,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """ATTACKS 27: it comes by file, environment or terminal, and is sealed."""
    words = ["--host", "127.0.0.1", "--username", "me", "--no-test"]
    if way == "file":
        (tmp_path / "password").write_text("hunter2hunter2\n")
        words += ["--password-file", str(tmp_path / "password")]
    if way == "environment":
        monkeypatch.setenv("POSTROOM_PROVIDER_PASSWORD", "hunter2hunter2")
    typed = "hunter2hunter2\n" if way == "prompt" else None
    added = ready("provider", "add", "post", *words, typed=typed)
    assert added.exit_code == 0, added.stderr
    listed = ready("provider", "list", "--json")
    assert json.loads(listed.stdout.splitlines()[-1])["username"] == "me"
    stored = b"".join(one.read_bytes() for one in data.iterdir() if one.is_file())
    assert b"hunter2" not in stored
    assert (
        "hunter2" not in added.output + listed.output + ready("provider", "list").output
    )


def test_a_name_is_taken_once(ready: Postroom) -> None:
    """The second one is refused before anything is tested."""
    result = ready("provider", "add", "capture", *at(free_port()))
    assert result.exit_code == 1
    assert "there is a provider capture already" in result.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--host", "bad host", "--no-test"], 1, "host is not a host name"),
        (["--host", "127.0.0.1:25", "--no-test"], 1, "a bare IP address"),
        (["--host", "[::1]", "--no-test"], 1, "a bare IP address"),
        (["--host", "x", "--password-file", "/no"], 2, "with --username only"),
        (["--host", "x", "--port", "0"], 2, "--port"),
        (["--host", "x", "--retry-plan", "soon"], 2, "no duration"),
        (["--host", "x", "--test-to", "x"], 2, "no mail address"),
        (["--host", "x", "--security", "ssl"], 2, "starttls"),
        (["--host", "x", "--username", "u", "--password-file", "/no"], 1, "/no"),
    ],
)
def test_wrong_settings_are_refused(
    ready: Postroom, words: list[str], status: int, said: str
) -> None:
    """Each refusal names what is wrong."""
    result = ready("provider", "add", "post", *words)
    assert result.exit_code == status
    assert said in result.stderr
    assert names(ready) == ["capture"]


def test_a_provider_in_use_stays(ready: Postroom) -> None:
    """The refusal names the pools; afterwards it can go."""
    result = ready("provider", "remove", "capture")
    assert result.exit_code == 1
    assert "sandbox" in result.stderr
    ready("provider", "add", "post", *at(1), "--no-test")
    facts = json.loads(ready("provider", "remove", "post", "--json").stdout)
    assert facts == {"name": "post", "removed": True}
    assert names(ready) == ["capture"]


def test_a_password_that_was_kept_back_is_explained(
    ready: Postroom, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATTACKS 27: it is not sent in clear, and the setting that would is named."""
    monkeypatch.setenv("POSTROOM_PROVIDER_PASSWORD", "hunter2hunter2")
    words = at(upstream.port, "--username", "me")
    added = ready("provider", "add", "post", *words)
    assert added.exit_code == 1
    assert "Auth rejected at auth: credentials are not sent" in added.stderr
    assert "relay.plaintext_auth" in added.stderr
    assert ready("provider", "add", "post", *words, "--no-test").exit_code == 0
    assert "relay.plaintext_auth" in ready("provider", "test", "post").stderr
    monkeypatch.setenv("POSTROOM_RELAY_PLAINTEXT_AUTH", "true")
    assert "relay.plaintext_auth" not in ready("provider", "test", "post").stderr
