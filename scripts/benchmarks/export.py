"""The log as CSV: a million events through the HTTP door, and the memory of it."""

import json
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import trio

from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.submission import Dimensions
from appliance.flow.setup import DataFolder, open_data
from appliance.store.transaction import Tx
from scripts.benchmarks.meter import memory
from scripts.benchmarks.report import Bound, say
from scripts.benchmarks.tools import BenchError
from tests.fakes.postroom import Postroom

EVENTS = 1_000_000
_AT_ONCE = 20_000  # in a transaction of the filling
_CHUNK = 64 * 1024
_LOOK_EVERY = 50  # chunks
_MB_BOUND = 60.0  # beside what the server has at rest
_HEADINGS = 1  # lines


def measure_export(*, quick: bool) -> tuple[list[Bound], dict[str, object]]:
    """How much memory a server takes that writes down its whole log.

    Raises:
        BenchError: it cannot be measured.
    """
    events = EVENTS // 10 if quick else EVENTS
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        postroom = Postroom(Path(place))
        postroom.init()
        trio.run(_fill, DataFolder(postroom.data), events)
        postroom.start()
        try:
            facts = _download(postroom)
        finally:
            postroom.close()
        if postroom.troubles():
            raise BenchError(postroom.log()[-3000:])
    say(json.dumps({"export": facts}))
    if facts["lines"] != events + _HEADINGS:
        raise BenchError(f"{facts['lines']} lines for {events} events")
    more = facts["peak_mb"] - facts["before_mb"]
    what = f"memory for a CSV of {events} events"
    return [Bound(what, more, "MB", _MB_BOUND, False)], dict(facts)


async def _fill(folder: DataFolder, events: int) -> None:
    async with open_data(folder) as store:
        for _ in range(events // _AT_ONCE):
            await store.write(_emit)


def _emit(tx: Tx) -> None:
    attached = Dimensions(("orders",), ("shop", "mail"), "news", "spring", {"id": "7"})
    data = {"code": 250, "text": "2.0.0 Ok: queued as 4ABCDEF012", "attempt": 1}
    now_ns = time.time_ns()
    for at in range(_AT_ONCE):
        uuid = uuid7()
        about = About(
            SubAccountId(1),
            uuid,
            uuid,
            "orders@bench.example",
            f"customer{at}@rcpt.example",
            "main",
            "mta",
            attached,
        )
        tx.emit(NewEvent(EventType.SENT, now_ns + at, about, data))


def _download(postroom: Postroom) -> dict[str, float]:
    """The whole file, read as fast as it comes."""
    door = urlsplit(postroom.http)
    connection = HTTPConnection(door.hostname or "", door.port or 0, timeout=60)
    pid = postroom.process.pid
    connection.request("GET", "/postroom/v1/events", headers=_key(postroom))
    connection.getresponse().read()  # the app is loaded
    before = peak = memory([pid]).rss
    began = time.perf_counter()
    connection.request("GET", "/postroom/v1/events?format=csv", headers=_key(postroom))
    answer = connection.getresponse()
    lines = size = chunks = 0
    while chunk := answer.read(_CHUNK):
        lines += chunk.count(b"\n")
        size += len(chunk)
        chunks += 1
        if chunks % _LOOK_EVERY == 0:
            peak = max(peak, memory([pid]).rss)
    return {
        "seconds": time.perf_counter() - began,
        "lines": lines,
        "mb": size / 1e6,
        "before_mb": before,
        "peak_mb": max(peak, memory([pid]).rss),
    }


def _key(postroom: Postroom) -> dict[str, str]:
    return {"Authorization": f"Bearer {postroom.keys['accountKey']}"}
