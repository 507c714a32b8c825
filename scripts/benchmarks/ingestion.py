"""Reports of a log agent: how many a second are on disk when they are answered.

Each tells the end of another delivery, among very many that were sent; one in ten is a
hard bounce and suppresses an address, one in twenty was put off.
"""

import http.client
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from scripts.benchmarks.contenders import DOORS
from scripts.benchmarks.meter import Meter
from scripts.benchmarks.report import Bound, say, table
from scripts.benchmarks.rounds import settle
from scripts.benchmarks.tools import BenchError
from scripts.benchmarks.waiting import SECOND_NS, Crowd, Folders, opened
from tests.fakes.postroom import Postroom

_PATH = "/api/v1/tpsp/custom-smtp/events"
_CONNECTIONS = 2
_TIMEOUT_S = 30
_OK = 200
_OVERTAKE = 5_000
_BOUND_PER_S = 5_000
_SETTINGS = {**DOORS, "relay.enabled": "false", "log.level": "warning"}
# What a log says, by the last digits of the delivery's number.
_SAID = (
    (range(2), "bounced", 550, "5.1.1", "550 5.1.1 <{to}>: user unknown"),
    (range(2, 3), "bounced", 552, "5.2.2", "552 5.2.2 <{to}>: mailbox full"),
    (range(3, 4), "deferred", 451, "4.7.1", "451 4.7.1 Greylisted, try again"),
    (range(4, 20), "delivered", 250, "2.0.0", "250 2.0.0 Ok: queued as 4XyZ1234"),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How many deliveries there are, and how many are told of with each batch size."""

    sent: int
    told: int
    rounds: int


FULL = Size(400_000, 30_000, 4)
QUICK = Size(100_000, 15_000, 2)
_BATCHES = (100, 1000)


@dataclass(frozen=True, slots=True)
class Taken:
    """One round: so many in a request, on all connections at once."""

    batch: int
    per_s: float
    p99_ms: float
    cores: float


def measure_ingestion(size: Size) -> tuple[list[Bound], list[object]]:
    """The promises, and the figures of every round.

    Raises:
        BenchError: it cannot be measured.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        say(f"making a folder with {size.sent} sent")
        postroom = Folders(Path(place)).make("told", Crowd(size.sent, time.time_ns()))
        key = postroom.run("provider", "event-key", "sink", "--json").json()["eventKey"]
        bodies = iter(_bodies(_send_all(postroom), size.told))
        postroom.start(_SETTINGS)
        settle()
        done = [
            _round(postroom, key, next(bodies), batch)
            for _ in range(size.rounds)
            for batch in _BATCHES
        ]
        postroom.stop()
        if troubles := postroom.troubles():
            raise BenchError(f"postroom failed: {troubles[0]}")
        _check(postroom, size.told * size.rounds * len(_BATCHES))
    return _bounds(done), [asdict(one) for one in done]


def _send_all(postroom: Postroom) -> list[tuple[UUID, str]]:
    """All deliveries and their recipients, sent by now, as a log comes to their ends.

    That is in the order of sending, but for some thousands that overtake each other.
    """
    with opened(postroom) as db:
        db.execute(
            "UPDATE delivery SET state = 2, due_ns = NULL, attempts = 1,"
            " settled_ns = created_ns WHERE state = 0"
        )
        rows = db.execute("SELECT uuid, recipient FROM delivery ORDER BY id").fetchall()
    luck = random.Random(1)  # noqa: S311 - the same in each run
    rows = [
        row
        for _, row in sorted(
            (n + luck.random() * _OVERTAKE, row) for n, row in enumerate(rows)
        )
    ]
    return [(UUID(bytes=uuid), to) for uuid, to in rows]


def _bodies(
    sent: Sequence[tuple[UUID, str]], each: int
) -> Iterator[list[dict[str, object]]]:
    """What is told in each round."""
    for start in range(0, len(sent), each):
        some = sent[start : start + each]
        yield [_event(number, *one) for number, one in enumerate(some)]


def _event(number: int, uuid: UUID, to: str) -> dict[str, object]:
    """One line of the log, as the agent tells it."""
    turn = number % 20
    kind, code, status, said = next(rest for some, *rest in _SAID if turn in some)
    return {
        "message_id": str(uuid),
        "event_type": kind,
        "recipient": to,
        "smtp_code": code,
        "enhanced_code": status,
        "smtp_description": str(said).format(to=to),
        "timestamp": time.time_ns() // SECOND_NS,
        "queue_id": f"4Xy{number:07d}",
        "relay": "mx.rcpt.example[192.0.2.1]:25",
        "hostname": "mta.example",
    }


def _round(
    postroom: Postroom, key: str, events: Sequence[dict[str, object]], batch: int
) -> Taken:
    """How it went with so many events in a request."""
    bodies = [
        json.dumps({"events": events[start : start + batch]}).encode()
        for start in range(0, len(events), batch)
    ]
    lanes = [bodies[start::_CONNECTIONS] for start in range(_CONNECTIONS)]
    start = time.perf_counter()
    with (
        Meter([postroom.process.pid]) as meter,
        ThreadPoolExecutor(_CONNECTIONS) as pool,
    ):
        told = [pool.submit(_tell, postroom, key, lane) for lane in lanes]
        waits = [wait for one in told for wait in one.result()]
        taken_s = time.perf_counter() - start
    p99_ms = statistics.quantiles(waits, n=100)[98] * 1000
    return Taken(batch, len(events) / taken_s, p99_ms, meter.cpu_s / taken_s)


def _tell(postroom: Postroom, key: str, bodies: Sequence[bytes]) -> list[float]:
    """The seconds until each answer; all was taken."""
    host, _, port = postroom.addresses()["http"].rpartition(":")
    named = {"X-SP-Event-ApiKey": key, "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(host, int(port), timeout=_TIMEOUT_S)
    waits = []
    for body in bodies:
        start = time.perf_counter()
        connection.request("POST", _PATH, body, named)
        answer = connection.getresponse()
        text = answer.read()
        waits.append(time.perf_counter() - start)
        if answer.status != _OK or json.loads(text)["rejected"]:
            raise BenchError(f"a report was not taken: {answer.status} {text[:300]!r}")
    connection.close()
    return waits


def _check(postroom: Postroom, told: int) -> None:
    """Each end is an event, once, and each hard bounce suppresses.

    Raises:
        BenchError: it is not so.
    """
    wanted = tuple(told * share // 20 for share in (16, 2, 1, 1, 2))
    with opened(postroom) as db:
        counts = db.execute(
            "SELECT sum(type = 60), sum(type = 63), sum(type = 64),"
            " (SELECT count(*) FROM deferral), (SELECT count(*) FROM suppression)"
            " FROM event"
        ).fetchone()
    if counts != wanted:
        raise BenchError(f"{wanted} were told, {counts} are there")


def _bounds(done: Sequence[Taken]) -> list[Bound]:
    rows, bounds = [], []
    for batch in _BATCHES:
        these = [one for one in done if one.batch == batch]
        per_s, p99_ms, cores = (
            statistics.median(getattr(one, name) for one in these)
            for name in ("per_s", "p99_ms", "cores")
        )
        rows.append((str(batch), f"{per_s:.0f}", f"{p99_ms:.0f}", f"{cores:.2f}"))
        what = f"reports taken, {batch} a request"
        bounds.append(Bound(what, per_s, "/s", _BOUND_PER_S, True))
    print(f"\nReports of a log agent on {_CONNECTIONS} connections; medians")
    table(("a request", "per s", "p99 ms", "cores"), rows)
    return bounds
