"""`postroom provider`, against an SMTP server that we did not write."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    for more in ([], ["--no-test"]):
        added = ready("provider", "add", "post", *words, *more)
        assert added.exit_code == 1
        assert "the credentials are not sent without TLS" in added.stderr
        assert "relay.plaintext_auth" in added.stderr
    monkeypatch.setenv("POSTROOM_RELAY_PLAINTEXT_AUTH", "true")
    assert ready("provider", "add", "post", *words, "--no-test").exit_code == 0
    assert "relay.plaintext_auth" not in ready("provider", "test", "post").stderr
    monkeypatch.delenv("POSTROOM_RELAY_PLAINTEXT_AUTH")
    assert "relay.plaintext_auth" in ready("provider", "test", "post").stderr


# --- limits, changes, event keys --------------------------------------------------


def facts(ready: Postroom, name: str = "post") -> dict[str, Any]:
    """What is told of a provider."""
    lines = ready("provider", "list", "--json").stdout.splitlines()
    found = {one["name"]: one for one in map(json.loads, lines)}
    told: dict[str, Any] = found[name]
    return told


RATES = ("--max-rate-per-hour", "1000", "--max-rate-per-second", "5")
RULES = (
    *("--limit", "gmail=100/h", "--limit", "gmail=2/s", "--limit", "Example.COM=7/h"),
    *("--limit", "gmail=3/c"),
)


def test_limits_are_set_when_it_is_added(ready: Postroom) -> None:
    """Of all its mail, of a class of recipients, of a domain; the table shows them."""
    assert ready("provider", "add", "post", *at(1), "--no-test", *RATES, *RULES)
    assert facts(ready)["limits"] == {
        "overall": "1000/h, 5/s",
        "classes": {"gmail": "100/h, 2/s, 3/c"},
        "domains": {"example.com": "7/h"},
    }
    shown = ready("provider", "list").stdout
    assert "1000/h, 5/s; gmail 100/h, 2/s, 3/c; example.com 7/h" in shown


def test_what_is_not_said_of_a_rate_is_a_setting(
    ready: Postroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlimited, unless the operator says else; none is none all the same."""
    ready("provider", "add", "free", *at(1), "--no-test")
    assert facts(ready, "free")["limits"]["overall"] == ""
    monkeypatch.setenv("POSTROOM_RELAY_DEFAULT_RATE_PER_HOUR", "100")
    ready("provider", "add", "post", *at(1), "--no-test")
    assert facts(ready)["limits"]["overall"] == "100/h"
    none = ("--max-rate-per-hour", "none")
    ready("provider", "add", "other", *at(1), "--no-test", *none)
    assert facts(ready, "other")["limits"]["overall"] == ""


WRONG = (
    ("--max-rate-per-hour", "0"),
    ("--max-rate-per-hour", "-1"),
    ("--max-rate-per-hour", "many"),
    ("--max-rate-per-second", "0"),
    ("--max-rate-per-second", "9999999999"),
    ("--limit", "gmail"),
    ("--limit", "gmail=100"),
    ("--limit", "gmail=0/h"),
    ("--limit", "gmail=0/c"),
    ("--limit", "gmail=1/d"),
    ("--limit", "nosuch=1/h"),
    ("--limit", "=1/h"),
    ("--limit", "a..b=1/h"),
)


def test_a_limit_that_is_none_is_wrong_usage(ready: Postroom) -> None:
    """Bad input of the issue: zero and below, and what cannot be read."""
    for words in WRONG:
        for command in (["add", "post", *at(1), "--no-test"], ["set", "capture"]):
            assert ready("provider", *command, *words).exit_code == 2, words
    assert names(ready) == ["capture"]


def test_a_change_leaves_the_rest(ready: Postroom) -> None:
    """A rate is lifted, a rule replaced, and nothing else is touched."""
    ready("provider", "add", "post", *at(1), "--no-test", *RATES, *RULES)
    before = facts(ready)
    words = ("--max-rate-per-second", "none", "--limit", "gmail=50/h")
    changed = ready("provider", "set", "post", *words, "--limit", "example.com=none")
    assert changed.exit_code == 0, changed.stderr
    after = facts(ready)
    assert after.pop("limits") == {
        "overall": "1000/h",
        "classes": {"gmail": "50/h"},
        "domains": {},
    }
    del before["limits"]
    assert after == before
    renamed = ready("provider", "set", "post", "--rename", "mta", "--connections", "9")
    assert renamed.exit_code == 0
    assert facts(ready, "mta")["maxConnections"] == 9
    assert ready("provider", "set", "mta", "--rename", "capture").exit_code == 1
    assert ready("provider", "set", "nosuch").exit_code == 1


def test_another_way_is_tried_before_it_is_taken(
    ready: Postroom, upstream: Upstream
) -> None:
    """What does not take mail is not kept, unless one says so."""
    ready("provider", "add", "post", *at(1), "--no-test")
    failed = ready("provider", "set", "post", "--port", str(free_port()))
    assert failed.exit_code == 1
    assert "Nothing was changed" in failed.stderr
    assert facts(ready)["port"] == 1
    moved = ready("provider", "set", "post", "--port", str(upstream.port), *MAIL)
    assert moved.exit_code == 0, moved.stderr
    assert "takes mail" in moved.stdout
    assert (facts(ready)["port"], len(upstream.mails)) == (upstream.port, 1)
    assert ready("provider", "set", "post", "--port", "2", "--no-test").exit_code == 0
    assert facts(ready)["port"] == 2
    capture = ready("provider", "set", "capture", "--host", "x")
    assert capture.exit_code == 1
    assert "no server" in capture.stderr


def test_a_login_is_changed_and_ended(
    ready: Postroom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A user name brings its password; without one there is none."""
    ready("provider", "add", "post", "--host", "127.0.0.1", "--no-test")
    monkeypatch.setenv("POSTROOM_PROVIDER_PASSWORD", "hunter2hunter2")
    changed = ready("provider", "set", "post", "--username", "me", "--no-test")
    assert changed.exit_code == 0
    assert facts(ready)["username"] == "me"
    (tmp_path / "new").write_text("another")
    new = ("--password-file", str(tmp_path / "new"), "--no-test")
    assert ready("provider", "set", "post", *new).exit_code == 0
    assert (
        ready("provider", "set", "post", "--username", "", "--no-test").exit_code == 0
    )
    assert facts(ready)["username"] == ""


def test_the_event_key_is_shown_once(ready: Postroom) -> None:
    """ATTACKS 27: afterwards its end; a new one can be made at any time."""
    added = ready("provider", "add", "post", *at(1), "--no-test", "--json")
    key = json.loads(added.stdout)["eventKey"]
    assert facts(ready)["eventKeyHint"] == key[-4:]
    assert key not in ready("provider", "list", "--json").stdout
    new = json.loads(ready("provider", "event-key", "post", "--json").stdout)[
        "eventKey"
    ]
    assert new != key
    assert facts(ready)["eventKeyHint"] == new[-4:]
    assert "shown this once" in ready("provider", "event-key", "post").stdout
    assert ready("provider", "event-key", "nosuch").exit_code == 1


def test_a_passed_test_is_remembered(ready: Postroom, upstream: Upstream) -> None:
    """By it the relay knows that what was down is worth a try."""
    ready("provider", "add", "post", *at(upstream.port), "--no-test")
    assert facts(ready)["lastPassedTest"] is None
    assert ready("provider", "test", "post", *MAIL).exit_code == 0
    assert facts(ready)["lastPassedTest"] is not None
