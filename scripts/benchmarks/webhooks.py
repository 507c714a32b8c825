"""Webhooks: a burst of events to one local receiver, and the send API beside it."""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from scripts.benchmarks.meter import cpu_seconds, memory
from scripts.benchmarks.report import Bound, say
from scripts.benchmarks.tools import DOMAIN, SENDER, BenchError
from tests.fakes.certificates import Authority
from tests.fakes.hook_sink import Counts, counting
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until

_EACH = 1000  # recipients of a request of the burst, and so events
_BURST = 50_000
_RATE_BOUND = 500
_P99_BOUND = 2.0
_PACE_S = 0.02  # between two sends of the one who is measured
_QUIET_S = 8
_LOOK_EVERY = 10  # sends
_PATIENCE_S = 240


def measure_webhooks(*, quick: bool) -> tuple[list[Bound], dict[str, object]]:
    """How fast events are told, whether all are, and what the send API feels of it.

    Raises:
        BenchError: it cannot be measured.
    """
    burst = _BURST // 10 if quick else _BURST
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        authority = Authority(folder)
        with counting(authority, folder) as counts:
            postroom = _started(folder, authority, counts.url)
            try:
                facts = _measure(postroom, counts, burst)
            finally:
                postroom.close()
        if postroom.troubles():
            raise BenchError(postroom.log()[-3000:])
    say(json.dumps({"webhooks": facts}))
    return _bounds(facts), dict(facts)


def _bounds(facts: dict[str, float]) -> list[Bound]:
    ratio = facts["p99_busy_ms"] / facts["p99_quiet_ms"]
    rate, lost = facts["events_per_s"], facts["lost"]
    return [
        Bound("webhooks a second over TLS", rate, "/s", _RATE_BOUND, True),
        Bound("webhooks lost of a burst", lost, "", 1, False),
        Bound("send p99 in a burst by quiet", ratio, "x", _P99_BOUND, False),
    ]


def _started(folder: Path, authority: Authority, url: str) -> Postroom:
    made = Postroom(
        folder,
        {
            "relay.enabled": "false",
            "webhooks.allowed_networks": "127.0.0.0/8",
            "webhooks.ca_file": str(authority.ca_file),
        },
    )
    made.init()
    made.run("domain", "add", DOMAIN)
    made.run("domain", "trust", DOMAIN)
    made.run("webhook", "add", url, "--event", "processed")
    made.start({"smtp.submission": "", "smtp.submissions": ""})
    return made


def _measure(postroom: Postroom, counts: Counts, burst: int) -> dict[str, float]:
    sender = Sender(postroom)
    quiet = sender.paced(until=lambda: False, seconds=_QUIET_S)
    root = [postroom.process.pid]
    cpu = cpu_seconds(root)
    began = time.perf_counter()
    for _ in range(burst // _EACH):
        sender.send(_EACH)
    taken_s = time.perf_counter() - began

    goal = sender.sent
    busy = sender.paced(until=lambda: counts.unique >= goal, seconds=_PATIENCE_S)
    told_s = time.perf_counter() - began
    with contextlib.suppress(TimeoutError):  # then they are lost
        wait_until(lambda: counts.unique >= sender.sent, 30, "the last events")
    after = counts.read()
    return {
        "burst": burst,
        "burst_taken_s": taken_s,
        "told_s": told_s,
        "events_per_s": burst / told_s,
        "lost": sender.sent - after["unique"],
        "twice": after["requests"] - after["unique"],
        "connections": after["connections"],
        "p99_quiet_ms": quiet.p99_ms,
        "p50_quiet_ms": quiet.p50_ms,
        "p99_busy_ms": busy.p99_ms,
        "p50_busy_ms": busy.p50_ms,
        "cpu_s": cpu_seconds(root) - cpu,
        "rss_mb": memory(root).rss,
    }


class Paced:
    """How long single sends took, one every so often."""

    def __init__(self, waits: list[float], sent: int) -> None:
        found = sorted(waits)
        self.sent = sent
        self.p50_ms = found[len(found) // 2] * 1000
        self.p99_ms = found[len(found) * 99 // 100] * 1000


class Sender:
    """Sends over one connection, and knows how many events that makes."""

    def __init__(self, postroom: Postroom) -> None:
        address = str(postroom.addresses()["http"])
        host, _, port = address.rpartition(":")
        self._http = HTTPConnection(host, int(port), timeout=60)
        self._headers = {
            "X-SubAccount-ApiKey": postroom.keys["subAccount"]["key"],
            "Content-Type": "application/json",
        }
        self.sent = 0

    def send(self, recipients: int = 1) -> float:
        """The seconds until so many were taken."""
        to = [
            {"email": f"user{one}@rcpt.example"}
            for one in range(self.sent, self.sent + recipients)
        ]
        mail = {"from": {"email": SENDER}, "to": to, "subject": "Hi", "textBody": "Hi"}
        body = json.dumps(mail)
        began = time.perf_counter()
        self._http.request("POST", "/api/v1/subaccount/email/", body, self._headers)
        answer = self._http.getresponse()
        answer.read()
        if answer.status != 200:  # noqa: PLR2004 - taken
            raise BenchError(f"a send was answered by {answer.status}")
        self.sent += recipients
        return time.perf_counter() - began

    def paced(self, until: Callable[[], bool], seconds: float) -> Paced:
        """Sends at a steady pace until something is so, or the time is over."""
        waits, before = [], self.sent
        over = time.perf_counter() + seconds
        while time.perf_counter() < over and not (
            len(waits) % _LOOK_EVERY == 0 and until()
        ):
            waits.append(self.send())
            time.sleep(max(0.0, _PACE_S - waits[-1]))
        return Paced(waits, self.sent - before)
