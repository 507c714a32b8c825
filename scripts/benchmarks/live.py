"""The live websocket: a thousand readers, and mail whose events all of them want."""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from scripts.benchmarks.meter import cpu_seconds, memory
from scripts.benchmarks.report import Bound, say
from scripts.benchmarks.tools import DOMAIN, SENDER, BenchError
from tests.fakes.postroom import ROOT, Postroom

READERS = 1000
_EVENTS_PER_S = 200
_EACH = 2  # events of a mail: processed and sent
_AT_ONCE = 4  # recipients of a request
_AFTER_S = 3  # in which the last events arrive
_LAST_BOUND_MS = 100
_GROWTH_BOUND_MB = 100


def measure_live(*, quick: bool) -> tuple[list[Bound], dict[str, object]]:
    """How long an event needs to the last of the readers, from when it happened.

    Raises:
        BenchError: it cannot be measured.
    """
    seconds = 5 if quick else 20
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        postroom = _started(Path(place))
        try:
            figures = _measure(postroom, seconds)
        finally:
            postroom.close()
        if postroom.troubles():
            raise BenchError(postroom.log()[-3000:])
    waits, firsts = sorted(figures.pop("waits")), figures.pop("firsts")
    facts = {
        **figures,
        "events": len(waits),
        "first_p50_ms": statistics.median(firsts),
        "p50_ms": statistics.median(waits),
        "p99_ms": waits[len(waits) * 99 // 100],
        "max_ms": waits[-1],
    }
    say(json.dumps({"live": facts}))
    return _bounds(facts), facts


def _bounds(facts: dict[str, float]) -> list[Bound]:
    per_s, limit = facts["events_per_s"], 0.95 * _EVENTS_PER_S
    p99, grown = facts["p99_ms"], facts["grown_mb"]
    return [
        Bound(f"events a second to {READERS} readers", per_s, "/s", limit, True),
        Bound("live events not told", facts["missing"], "", 1, False),
        Bound("an event to the last reader, p99", p99, "ms", _LAST_BOUND_MS, False),
        Bound("memory for the readers", grown, "MB", _GROWTH_BOUND_MB, False),
    ]


def _started(folder: Path) -> Postroom:
    made = Postroom(folder)
    made.init()
    made.run("domain", "add", DOMAIN)
    made.run("domain", "trust", DOMAIN)
    # A ping is no event: the readers count bytes.
    made.start({"live.ping_interval": "1h", "http.max_connections": "2000"})
    return made


def _measure(postroom: Postroom, seconds: int) -> dict[str, object]:
    address = postroom.addresses()["http"]
    key = postroom.keys["subAccount"]["key"]
    pid = [postroom.process.pid]
    for _ in _mails(address, key, 1):
        pass  # what is loaded late is loaded
    before = memory(pid).rss
    say(f"{READERS} readers")
    words = [sys.executable, "-m", "scripts.benchmarks.live_readers", address, key]
    words += [str(READERS), str(seconds + _AFTER_S)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as readers:
        assert readers.stdout is not None
        if readers.stdout.readline() != "ready\n":
            raise BenchError("the readers cannot subscribe")
        with_readers = memory(pid).rss
        cpu, started = cpu_seconds(pid), time.perf_counter()
        mails = sum(_mails(address, key, seconds))
        taken = time.perf_counter() - started
        used = cpu_seconds(pid) - cpu
        peak = memory(pid).rss
        told = readers.stdout.read()
    if readers.returncode:
        raise BenchError("the readers ended early")
    seen = json.loads(told)
    return {
        "firsts": [one * 1000 for one in seen["firsts"]],
        "waits": [one * 1000 for one in seen["waits"]],
        "missing": seen["missing"] + READERS * (mails * _EACH - len(seen["waits"])),
        "events_per_s": mails * _EACH / taken,
        "cores": used / taken,
        "quiet_mb": before,
        "with_readers_mb": with_readers,
        "peak_mb": peak,
        "grown_mb": peak - before,
    }


def _mails(address: str, key: str, seconds: float) -> Iterator[int]:
    """Hand in some mails at a time, in an even pace; how many they were."""
    body = json.dumps(
        {
            "from": {"email": SENDER},
            "to": [{"email": f"user{n}@rcpt.example"} for n in range(_AT_ONCE)],
            "subject": "live",
            "textBody": "hello",
        }
    )
    headers = {"X-SubAccount-ApiKey": key, "Content-Type": "application/json"}
    pause = _AT_ONCE * _EACH / _EVENTS_PER_S
    with contextlib.closing(HTTPConnection(address)) as connection:
        started = time.perf_counter()
        for number in range(round(seconds / pause)):
            due = started + number * pause
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", "/api/v1/subaccount/email/", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:  # noqa: PLR2004 - RFC 9110 15.3.1
                raise BenchError(f"a mail was answered with {answer.status}")
            yield _AT_ONCE
