"""The tracker: opens at a steady rate, each on disk before it is answered.

Nothing here is compared with others: the rate is offered whether or not the answers
keep up, and the time of each runs from the moment at which it was due.
"""

import json
import sqlite3
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import UUID

from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.edge.assembly import TOKENS, derived
from appliance.flow.setup import DataFolder
from scripts.benchmarks.report import Bound, say, table
from scripts.benchmarks.rounds import settle
from scripts.benchmarks.tools import DOMAIN, SENDER, BenchError, compile_tool
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until

RATE = 2000  # opens a second
_MAILS = 5000
_AT_ONCE = 1000  # recipients of one request
_CONNECTIONS = 64
_WARM_S = 3
_P99_BOUND_MS = 20
_RATE_BOUND = 0.98 * RATE
_AGENTS = (
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{n} like Mac OS X) AppleWebKit/605.1.15"
        " (KHTML, like Gecko) Mobile/15E148"
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
        " (KHTML, like Gecko) Chrome/{n}.0.0.0 Safari/537.36"
    ),
    (
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com"
        " GoogleImageProxy)"
    ),
    "Mozilla/5.0",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How long each round lasts, and how many there are."""

    seconds: int
    rounds: int


FULL = Size(20, 3)
QUICK = Size(5, 2)


@dataclass(frozen=True, slots=True)
class Round:
    """How one round went."""

    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


def measure_tracker(size: Size) -> tuple[list[Bound], object]:
    """The promises, and every figure.

    Raises:
        BenchError: it cannot be measured.
    """
    with ExitStack() as cleanup:
        place = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        folder = Path(place)
        tool = compile_tool("trackload", folder)
        say(f"sending {_MAILS} mails, to be opened")
        server = Postroom(folder)
        cleanup.callback(server.close)
        _furnish(server)
        hits = _write_hits(server, folder)
        settle()
        say(f"{RATE} opens a second")
        _run(tool, server, hits, _WARM_S)
        done = [_run(tool, server, hits, size.seconds) for _ in range(size.rounds)]
        asked = RATE * (_WARM_S + size.seconds * size.rounds)
        _check(server, asked)
    print(f"\nTracker: {RATE} opens a second over {_CONNECTIONS} connections")
    rows = [_row(one) for one in done]
    table(("opens/s", "p50 ms", "p99 ms", "max ms"), rows)
    p99 = statistics.median(one.p99_ms for one in done)
    rate = statistics.median(one.per_s for one in done)
    bounds = [
        Bound("opens: p99 at 2000/s", p99, "ms", _P99_BOUND_MS, False),
        Bound("opens answered", rate, "/s", _RATE_BOUND, True),
    ]
    return bounds, [_figures(one) for one in done]


def _furnish(server: Postroom) -> None:
    """A running server with mail that has left."""
    server.init()
    server.run("domain", "add", DOMAIN)
    server.run("domain", "trust", DOMAIN)
    server.start({"log.level": "warning"})
    for start in range(0, _MAILS, _AT_ONCE):
        to = [{"email": f"u{start + n}@rcpt.example"} for n in range(_AT_ONCE)]
        _post(server, {"from": {"email": SENDER}, "to": to, "htmlBody": "<p>x</p>"})
    wait_until(lambda: _count(server, _LEFT) == _MAILS, 120, "all mail has left")


def _post(server: Postroom, body: dict[str, object]) -> None:
    headers = {
        "X-SubAccount-ApiKey": server.keys["subAccount"]["key"],
        "Content-Type": "application/json",
    }
    data = json.dumps({"subject": "x", **body}).encode()
    request = Request(f"{server.http}/api/v1/subaccount/email/", data, headers)  # noqa: S310  our own server
    with urlopen(request, timeout=60) as answer:  # noqa: S310  as above
        answer.read()


def _write_hits(server: Postroom, folder: Path) -> Path:
    """A file with the pixels of all mails, each with a reader's user agent."""
    secret = DataFolder(server.data).read_secret()
    tokens = TokenMaker(derived(secret, TOKENS))
    lines = []
    for number, (uuid,) in enumerate(_rows(server, "SELECT uuid FROM delivery")):
        token = tokens.seal(Token(TokenKind.OPEN, UUID(bytes=uuid)))
        agent = _AGENTS[number % len(_AGENTS)].format(n=number % 100)
        lines.append(f"/track/tpsp/open/{token}\t{agent}\n")
    file = folder / "hits"
    file.write_text("".join(lines), encoding="ascii")
    return file


def _run(tool: Path, server: Postroom, hits: Path, seconds: int) -> Round:
    port = server.addresses()["http"].rsplit(":", 1)[1]
    numbers = (port, _CONNECTIONS, RATE, seconds)
    words = [str(tool), *map(str, numbers), str(hits)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"trackload: {done.stdout}{done.stderr}")
    facts = json.loads(done.stdout)
    return Round(
        facts["good"] / facts["wall_s"],
        facts["p50_ms"],
        facts["p99_ms"],
        facts["max_ms"],
    )


def _check(server: Postroom, asked: int) -> None:
    """Each open is an event, and counted."""
    for sql in (_OPENS, _COUNTED):
        if (found := _count(server, sql)) != asked:
            raise BenchError(f"{found} of {asked} opens are there")
    if server.troubles():
        raise BenchError(f"postroom failed: {server.troubles()[0]}")


_LEFT = "SELECT count(*) FROM delivery WHERE state = 2"
_OPENS = "SELECT count(*) FROM event WHERE type = 65"
_COUNTED = "SELECT sum(opens) FROM engagement"


def _count(server: Postroom, sql: str) -> int:
    ((count,),) = _rows(server, sql)
    return int(count or 0)


def _rows(server: Postroom, sql: str) -> Sequence[tuple[bytes]]:
    with closing(sqlite3.connect(server.data / "postroom.db")) as db:
        return db.execute(sql).fetchall()


def _row(one: Round) -> tuple[str, ...]:
    return (f"{one.per_s:.0f}", *(f"{ms:.1f}" for ms in _figures(one)[1:]))


def _figures(one: Round) -> list[float]:
    return [one.per_s, one.p50_ms, one.p99_ms, one.max_ms]
