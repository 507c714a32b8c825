"""The queue: what a claim costs, how soon a start is ready, what a storm does.

Nothing here is compared with Postfix: each figure is Postroom's own with a great many
deliveries waiting, beside its own with few.
"""

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.benchmarks.contenders import DOORS, POOL
from scripts.benchmarks.report import Bound, say, table
from scripts.benchmarks.rounds import settle
from scripts.benchmarks.tools import (
    BenchError,
    Load,
    Served,
    Sink,
    compile_tool,
    http_served,
    the_mail,
)
from scripts.benchmarks.waiting import DAY_NS, SECOND_NS, Crowd, Folders, opened
from tests.fakes.postroom import ROOT, Postroom

_FEW = 1000
_TENANTS = 100
_PYTHON = ROOT / ".venv/bin/python"
_STORM_CONNECTIONS = 10
_BEFORE_STORM_NS = 6 * SECOND_NS  # the start and the first requests
# So long after all became due the upstream goes: before, new mail would find out alone.
_BEHIND_S = 0.05
_WARM = 300
_ARRIVAL_S = 5
_STUBBORN = {"relay.breaker_failures": "1000"}
_SETTINGS = {**DOORS, "intake.max_queued": "100000000", "log.level": "warning"}

_CLAIM_BOUND = 1.2
_START_BOUND_S = 2.0
_STORM_BOUND = 2.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much waits, and how often each is measured."""

    waiting: int
    storm: int
    claims: int
    starts: int
    rounds: int
    mails: int


FULL = Size(1_000_000, 100_000, 60, 5, 3, 4000)
QUICK = Size(100_000, 10_000, 40, 3, 2, 3000)


def measure_relay(size: Size) -> tuple[list[Bound], dict[str, object]]:
    """All of it: the promises, and every figure.

    Raises:
        BenchError: it cannot be measured.
    """
    facts: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folders = Folders(Path(place))
        bounds, facts["claims"] = _claims(folders, size)
        for name, part in {"starts": _starts, "storm": _storm}.items():
            kept, facts[name] = part(folders, size)
            bounds += kept
    return bounds, facts


# ------------------------------------------------------------------- claims


def _claims(folders: Folders, size: Size) -> tuple[list[Bound], object]:
    """A claim with few waiting, and with very many."""
    bounds, rows, facts = [], [], {}
    for name in ("fresh", "drawn", "most later"):
        say(f"making folders with {_FEW} and {size.waiting} waiting: {name}")
        pair = [_folder(folders, name, each) for each in (_FEW, size.waiting)]
        settle()
        figures = _claim(pair, size.claims)
        few, many = map(statistics.median, (figures["small"], figures["large"]))
        what = f"a claim of 10, {name}: {size.waiting} by {_FEW}"
        bounds.append(Bound(what, many / few, "x", _CLAIM_BOUND, False))
        rows.append((name, f"{few:.2f}", f"{many:.2f}"))
        facts[name] = figures
        for one in pair:
            shutil.rmtree(one.data)
    print("\nA claim of 10 deliveries; milliseconds, medians")
    table(("waiting", str(_FEW), str(size.waiting)), rows)
    return bounds, facts


def _folder(folders: Folders, name: str, number: int) -> Postroom:
    return folders.make(f"{name}-{number}".replace(" ", "-"), *_crowds(name, number))


def _crowds(name: str, number: int) -> Sequence[Crowd]:
    """Mail of a hundred sub-accounts: all due, or hardly any of it yet."""
    now_ns = time.time_ns()
    if name != "most later":
        fresh = name == "fresh"
        return [Crowd(number, now_ns - DAY_NS, DAY_NS, _TENANTS, fresh)]
    return [
        Crowd(_FEW, now_ns - DAY_NS, DAY_NS, _TENANTS),
        Crowd(number, now_ns + DAY_NS, DAY_NS, _TENANTS),
    ]


def _claim(pair: Sequence[Postroom], number: int) -> dict[str, list[float]]:
    files = [str(one.data / "postroom.db") for one in pair]
    words = [str(_PYTHON), "-m", "scripts.benchmarks.claims", *files, str(number)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise BenchError(f"claims: {done.stderr[-3000:]}")
    figures: dict[str, list[float]] = json.loads(done.stdout)
    return figures


# ------------------------------------------------------------------- starts


def _starts(folders: Folders, size: Size) -> tuple[list[Bound], object]:
    """Seconds from the command to ready, with few waiting and with very many."""
    say(f"making folders with {_FEW} and {size.waiting} waiting, to start on")
    later = time.time_ns() + DAY_NS
    pair = [
        folders.make(f"start-{number}", Crowd(number, later, DAY_NS))
        for number in (_FEW, size.waiting)
    ]
    settle()
    figures = [[_start(one) for one in pair] for _ in range(size.starts)]
    few, many = map(statistics.median, zip(*figures, strict=True))
    say(f"ready after {few:.2f} s with {_FEW} waiting, {many:.2f} s with all")
    what = f"start with {size.waiting} waiting"
    return [Bound(what, many, "s", _START_BOUND_S, False)], figures


def _start(postroom: Postroom) -> float:
    start = time.perf_counter()
    postroom.start(_SETTINGS)
    taken = time.perf_counter() - start
    postroom.stop()
    return taken


# -------------------------------------------------------------------- storm


@dataclass(frozen=True, slots=True)
class Stormy:
    """How the API did in a round: with nothing due, and with a great deal at once."""

    quiet: Served
    storm: Served
    stubborn: Served  # the storm, if the upstream never counts as down


def _storm(folders: Folders, size: Size) -> tuple[list[Bound], object]:
    """The send API as the upstream goes away while very much becomes due at once."""
    say(f"making a folder with {size.storm} that will be due at once")
    quiet = folders.make("quiet")
    storm = folders.make("storm", Crowd(size.storm, time.time_ns()))
    weather = _Weather(folders, Load(size.mails, _STORM_CONNECTIONS))
    done = []
    for index in range(size.rounds):
        settle()
        served = weather.serve(quiet), weather.serve(storm)
        _check_it_came(storm)
        done.append(Stormy(*served, weather.serve(storm, _STUBBORN)))
        quiet_ms, storm_ms = done[-1].quiet.p99_ms, done[-1].storm.p99_ms
        say(
            f"round {index + 1} of {size.rounds}: p99 quiet {quiet_ms:.1f} ms, storm"
            f" {storm_ms:.1f} ms, never down {done[-1].stubborn.p99_ms:.1f} ms"
        )
    for one in (quiet, storm):
        if troubles := one.troubles():
            raise BenchError(f"postroom failed: {troubles[0]}")
    value = statistics.median(one.storm.p99_ms / one.quiet.p99_ms for one in done)
    what = f"p99 of the send API, {size.storm} due at once by quiet"
    bound = Bound(what, value, "x", _STORM_BOUND, False)
    return [bound], [asdict(one) for one in done]


def _check_it_came(storm: Postroom) -> None:
    """Mail that waited from the start has been tried.

    Raises:
        BenchError: none has, so nothing was measured.
    """
    with opened(storm) as db:
        (tried,) = db.execute(
            "SELECT count(*) FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery"
            " WHERE d.attempts > 0 AND d.state = 0"
        ).fetchone()
    if not tried:
        raise BenchError("there was no storm: nothing that waited was tried")


class _Weather:
    """An upstream that takes mail and then is gone, and what the API does then."""

    def __init__(self, folders: Folders, load: Load) -> None:
        self._port = folders.port
        self._folder = folders.place
        self._load = load
        self._sink = compile_tool("smtpsink", self._folder)
        self._tool = compile_tool("httpload", self._folder)

    def serve(
        self, postroom: Postroom, settings: Mapping[str, str] | None = None
    ) -> Served:
        """How the load is served from the moment at which all becomes due."""
        due_ns = time.time_ns() + _BEFORE_STORM_NS
        with opened(postroom) as db:
            db.execute("DELETE FROM provider_health")
            db.execute("DELETE FROM attempt")
            db.execute(
                "UPDATE delivery SET due_ns = ?, waits_for = '' WHERE state = 0",
                (due_ns,),
            )
        sink = Sink(self._sink, self._folder, self._port)
        try:
            postroom.start({**_SETTINGS, **(settings or {})})
            file = self._request(postroom)
            self._send(postroom, Load(_WARM, self._load.connections), file)
            sink.wait_for(_WARM, _ARRIVAL_S)
            if (left_s := (due_ns - time.time_ns()) / SECOND_NS + _BEHIND_S) < 0:
                raise BenchError("the start took too long for the storm")
            time.sleep(left_s)
        finally:
            sink.close()
        served = self._send(postroom, self._load, file)
        postroom.stop()
        return served

    def _request(self, postroom: Postroom) -> Path:
        file, key = self._folder / "request", postroom.keys["subAccount"]["key"]
        file.write_bytes(the_mail().as_request(_port(postroom), key, POOL))
        return file

    def _send(self, postroom: Postroom, load: Load, file: Path) -> Served:
        return http_served(self._tool, _port(postroom), load, file)


def _port(postroom: Postroom) -> int:
    return int(postroom.addresses()["http"].rsplit(":", 1)[1])
