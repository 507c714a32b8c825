"""A kill in the middle of a burst of webhooks loses none of them."""

import json
import os
import signal
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.hook_sink import counting
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]
EVENTS, EACH = 20_000, 1_000
DOMAIN = "hooks.example"


def test_after_a_kill_every_event_has_arrived(tmp_path: Path) -> None:
    """At least once, and the numbers have no gap."""
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
            os.kill(postroom.process.pid, signal.SIGKILL)
            postroom.process.wait(10)
            assert counts.unique < EVENTS
            postroom.start(settings)
            wait_until(lambda: counts.unique == EVENTS, 120, "all of them")
            (one,) = postroom.run("webhook", "list", "--json").json_lines()
            assert (one["waiting"], one["missed"]) == (0, 0)
            told = postroom.run("events", "list", "--limit", "10000", "--json")
            numbers = [one["number"] for one in told.json_lines()]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        finally:
            postroom.close()


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
