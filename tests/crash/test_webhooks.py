"""A kill in the middle of a burst loses no webhook, and no live reader its place."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.hook_sink import counting
from tests.fakes.postroom import ROOT, Postroom, program_words
from tests.fakes.programs import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]
EVENTS, EACH = 20_000, 1_000
DOMAIN = "hooks.example"


def test_after_a_kill_every_event_has_arrived(tmp_path: Path) -> None:
    """Webhooks at least once; a live reader that resumes sees each number once."""
    authority = Authority(tmp_path)
    settings = {
        "relay.enabled": "false",
        "webhooks.allowed_networks": "127.0.0.0/8",
        "webhooks.ca_file": str(authority.ca_file),
        "smtp.submission": "",
        "smtp.submissions": "",
    }
    with counting(authority, tmp_path) as counts:
        postroom = Postroom(tmp_path, settings)
        postroom.init()
        postroom.run("domain", "add", DOMAIN)
        postroom.run("domain", "trust", DOMAIN)
        postroom.run("webhook", "add", counts.url, "--event", "processed")
        postroom.start(settings)
        try:
            for first in range(0, EVENTS, EACH):
                _send(postroom, first)
            wait_until(lambda: counts.unique > EVENTS // 8, 60, "some of them")
            with _following(postroom, 0) as seen:
                wait_until(lambda: len(seen()) > EVENTS // 20, 30, "a live reader")
                os.kill(postroom.process.pid, signal.SIGKILL)
                postroom.process.wait(10)
            before = seen()
            assert counts.unique < EVENTS
            postroom.start(settings)
            wait_until(lambda: counts.unique == EVENTS, 120, "all of them")
            (one,) = postroom.run("webhook", "list", "--json").json_lines()
            assert (one["waiting"], one["missed"]) == (0, 0)
            told = postroom.run("events", "list", "--limit", "10000", "--json")
            numbers = [one["number"] for one in told.json_lines()]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            with _following(postroom, before[-1]) as seen:
                wait_until(lambda: seen()[-1:] >= [EVENTS], 60, "all live")
            assert before + seen() == list(range(1, len(before + seen()) + 1))
        finally:
            postroom.close()


@contextmanager
def _following(postroom: Postroom, after: int) -> Iterator[Callable[[], list[int]]]:
    """The numbers that a websocket reader has seen behind ``after``."""
    file = postroom.data.parent / f"seen-{after}"
    words = ("events", "tail", "--after", str(after), "--json", "--data")
    with file.open("wb") as out:
        reader = subprocess.Popen(
            [*program_words(), *words, str(postroom.data)], stdout=out, cwd=ROOT
        )

    def seen() -> list[int]:
        whole = file.read_bytes().rpartition(b"\n")[0].splitlines()
        return [int(json.loads(line)["number"]) for line in whole]

    try:
        yield seen
    finally:
        reader.terminate()
        reader.wait(10)


def _send(postroom: Postroom, first: int) -> None:
    host, _, port = str(postroom.addresses()["http"]).rpartition(":")
    to = [{"email": f"u{one}@rcpt.example"} for one in range(first, first + EACH)]
    mail = {"from": {"email": f"a@{DOMAIN}"}, "to": to, "subject": "Hi"}
    headers = {"X-SubAccount-ApiKey": postroom.keys["subAccount"]["key"]}
    connection = HTTPConnection(host, int(port), timeout=60)
    path, body = "/api/v1/subaccount/email/", json.dumps({**mail, "textBody": "Hi"})
    connection.request("POST", path, body, headers)
    assert connection.getresponse().status == 200
    connection.close()
