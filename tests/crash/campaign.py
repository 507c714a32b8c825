"""Kills a real server again and again under load, and proves the books afterwards."""

import random
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from appliance.failpoint import POINTS, VARIABLE
from tests.crash.books import Account, Books, faults
from tests.crash.load import DOMAIN, Doors, Load
from tests.crash.sink import Moods, Sink
from tests.fakes.postroom import Postroom
from tests.fakes.programs import free_port, wait_until

RANDOM = "a random moment"
DRAIN_SECONDS = 300
WARM = 100  # mails
Trouble = Callable[[Path, Sink], None]  # given the database and the upstream
SETTINGS = {
    "relay.in_doubt_after": "1s",
    "relay.retry_plan": ",".join(["1s"] * 60),
    "relay.breaker_pause": "1s",
    "relay.breaker_max_pause": "1s",
}
MOODS = Moods(silent_takes=3, hang_ups=1, deferrals=5)


@dataclass
class Report:
    """What a campaign did, in counts."""

    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    asked: int = 0
    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    deliveries: int = 0
    sent: int = 0
    dropped: int = 0
    doubts: int = 0
    upstream: int = 0
    duplicates: int = 0
    faults: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, object]:
        """As JSON has it."""
        return {**asdict(self), "kills": dict(self.kills)}


class Campaign:
    """One server, its upstream and its clients."""

    def __init__(
        self, folder: Path, seed: int = 0, say: Callable[[str], None] = print
    ) -> None:
        self.report = Report()
        self._postroom = Postroom(folder, SETTINGS)
        self._random = random.Random(seed)
        self._say = say
        self._ports = {
            "http.bind": f"127.0.0.1:{free_port()}",
            "smtp.submission": f"127.0.0.1:{free_port()}",
        }
        self._seed = seed

    def run(self, kills: int, seconds: float) -> Report:
        """Kill so many times, or for so long if that is longer."""
        began = time.monotonic()
        with Sink(MOODS, self._seed) as sink, self._load(sink) as load:
            for point in self._plan(kills, began + seconds):
                self._round(point)
            self._postroom.start(self._ports)
            self._end(sink, load)
        self.report.seconds = round(time.monotonic() - began, 1)
        return self.report

    def endure(
        self, trouble: Trouble, environment: Mapping[str, str] | None = None
    ) -> Report:
        """Let a server live through a trouble under load."""
        with Sink(MOODS, self._seed) as sink, self._load(sink) as load:
            self._postroom.start(self._ports, environment)
            wait_until(lambda: len(load.accepted) > WARM, 60, "mail under way")
            trouble(self._database, sink)
            before = len(load.accepted)
            wait_until(lambda: len(load.accepted) > before + WARM, 60, "mail again")
            self._end(sink, load)
        return self.report

    @contextmanager
    def _load(self, sink: Sink) -> Iterator[Load]:
        load = Load(self._furnish(sink.port))
        load.start(http=3, smtp=2)
        try:
            yield load
        finally:
            load.stop()
            self._postroom.close()

    def _furnish(self, port: int) -> Doors:
        postroom = self._postroom
        postroom.init()
        where = ("--host", "127.0.0.1", "--port", str(port), "--security", "none")
        postroom.run("provider", "add", "sink", *where, "--no-test")
        postroom.run("pool", "add", "custom-smtp-pool", "sink=100", "--default")
        postroom.run("domain", "add", DOMAIN)
        postroom.run("domain", "trust", DOMAIN)
        login = postroom.ask("key", "add", "--smtp")
        http, smtp = (int(one.rpartition(":")[2]) for one in self._ports.values())
        key = postroom.keys["subAccount"]["key"]
        return Doors(http, smtp, key, login["username"], login["key"])

    def _plan(self, kills: int, until: float) -> Iterator[str]:
        """Each point in turn, and random moments between them."""
        points = [*POINTS, RANDOM, RANDOM, RANDOM]
        number = 0
        while number < kills or time.monotonic() < until:
            if number % len(points) == 0:
                self._random.shuffle(points)
            yield points[number % len(points)]
            number += 1

    def _round(self, point: str) -> None:
        """Start, wait for the end, or make one."""
        self.report.kills[point] += 1
        armed = {}
        if point != RANDOM:
            armed[VARIABLE] = f"{point}:{self._random.randint(1, 40)}"
        try:
            self._postroom.start(self._ports, armed)
        except RuntimeError:  # it got there before it served
            pass
        else:
            self._await_end(point)
        self._postroom.kill()
        self._say(f"{sum(self.report.kills.values()):4} killed at {point}")

    def _await_end(self, point: str) -> None:
        process = self._postroom.process
        wait = 20.0 if point != RANDOM else self._random.uniform(0.0, 1.5)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            if point != RANDOM:
                self.report.faults.append(f"{point} was not reached in {wait} s")

    def log(self) -> str:
        """What the server said."""
        return self._postroom.log()

    def _end(self, sink: Sink, load: Load) -> None:
        """No more mail; when nothing is under way any more, close the books."""
        load.stop()
        wait_until(self._is_idle, DRAIN_SECONDS, "the end of the queue")
        self._postroom.stop()
        self._close_books(sink, load)

    def _is_idle(self) -> bool:
        time.sleep(0.2)
        with closing(sqlite3.connect(self._database)) as db:
            (left,) = db.execute(
                "SELECT count(*) FROM delivery WHERE settled_ns IS NULL"
            ).fetchone()
        return not left

    @property
    def _database(self) -> Path:
        return next(self._postroom.data.glob("*.db"))

    def _close_books(self, sink: Sink, load: Load) -> None:
        books, report = Books.read(self._database), self.report
        account = Account(frozenset(load.accepted), sink.taken, sink.answered)
        report.asked, report.refused = load.asked, load.refused
        report.accepted, report.unanswered = len(load.accepted), load.unanswered
        report.deliveries = len(books.recipients)
        report.sent, report.dropped = books.sent.total(), books.dropped.total()
        report.doubts = books.doubts.total()
        report.upstream = sink.taken.total()
        report.duplicates = sink.taken.total() - len(sink.taken)
        report.faults += faults(books, account)
        report.faults += self._postroom.troubles()
