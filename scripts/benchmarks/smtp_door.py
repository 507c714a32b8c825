"""The SMTP door: what it takes in beside Postfix's, holds open, and puts up with."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.benchmarks.crowd import Crowd, Dawdler, allow_files
from scripts.benchmarks.meter import Memory, cpu_seconds, memory
from scripts.benchmarks.report import Bound, say, table
from scripts.benchmarks.rounds import HEADINGS, figures_rows, ratio, rounds, settle
from scripts.benchmarks.submitters import (
    Generator,
    PostfixSubmission,
    PostroomSubmission,
    Submitter,
    make_chain,
)
from scripts.benchmarks.tools import BenchError, Load, Sink, compile_tool, the_mail

_CROWD = 2000
_IDLE_S = 5

_ACCEPT_BOUND = 2.0
_CROWD_BOUND_MB = 120
_SLOW_BOUND = 1.5


@dataclass(frozen=True, slots=True)
class Accepted:
    """What one server did in one round."""

    name: str
    sessions: int
    accept_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_mail: float
    tls: str


@dataclass(frozen=True, slots=True)
class Slowed:
    """The p99 of ten sessions, alone and beside one that dawdles."""

    alone_ms: float
    beside_ms: float


@dataclass(frozen=True, slots=True)
class Bench:
    """What all measurements of the door share."""

    folder: Path
    sink: Sink
    generator: Generator
    chain: Path
    number: int  # of rounds
    mails: int  # in a round

    def postfix(self, *, holding: bool) -> AbstractContextManager[PostfixSubmission]:
        """A Postfix of its own, ended behind the body."""
        return closing(
            PostfixSubmission(self.generator, self.sink, self.chain, holding=holding)
        )

    def postroom(
        self, name: str, *, holding: bool
    ) -> AbstractContextManager[PostroomSubmission]:
        """A Postroom of its own, ended behind the body."""
        folder = self.folder / name
        return closing(
            PostroomSubmission(self.generator, self.sink, folder, holding=holding)
        )


def measure_smtp(number: int, mails: int) -> tuple[list[Bound], dict[str, object]]:
    """All of it: the promises, and the figures of every round.

    Raises:
        BenchError: it cannot be measured.
    """
    allow_files(2 * _CROWD)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        tool = compile_tool("smtpload", folder, "ssl", "crypto")
        generator = Generator(tool, folder / "mail.eml")
        generator.file.write_bytes(the_mail().as_file())
        with closing(Sink(compile_tool("smtpsink", folder), folder)) as sink:
            bench = Bench(folder, sink, generator, make_chain(folder), number, mails)
            return _measure(bench)


def _measure(bench: Bench) -> tuple[list[Bound], dict[str, object]]:
    facts: dict[str, object] = {}
    bounds: list[Bound] = []
    parts: tuple[tuple[str, Callable[[Bench], tuple[list[Bound], object]]], ...] = (
        ("accept", _accept),
        ("crowd", _crowd),
        ("slow", _slow),
        ("relay", _relay),
    )
    for name, part in parts:
        kept, facts[name] = part(bench)
        bounds += kept
    return bounds, facts


# ------------------------------------------------------------------- accept


def _accept(bench: Bench) -> tuple[list[Bound], object]:
    """Mail taken in per second, nothing relayed."""
    say("starting Postroom and Postfix, which only take mail in")
    bounds, rows, facts = [], [], []
    with (
        bench.postroom("holds", holding=True) as ours,
        bench.postfix(holding=True) as theirs,
    ):
        for one in (ours, theirs):
            _accept_once(one, Load(500, 50))  # warm
        for sessions in (10, 50):
            load = Load(bench.mails, sessions)
            done = [_accept_round((ours, theirs), load) for _ in range(bench.number)]
            value = ratio(done, "accept_per_s", "postfix")
            what = f"SMTP accept by Postfix's, {sessions}"
            bounds.append(Bound(what, value, "x", _ACCEPT_BOUND, True))
            rows += _accept_rows(done)
            facts += [[asdict(one) for one in each] for each in done]
    print("\nSMTP door, STARTTLS, kept sessions, no relay; only Postroom's log in")
    table(("who", "sessions", "accept/s", "p50 ms", "p99 ms", "CPU ms/mail"), rows)
    return bounds, facts


def _accept_round(contenders: Sequence[Submitter], load: Load) -> list[Accepted]:
    settle()
    done = [_accept_once(one, load) for one in contenders]
    for one in done:
        say(
            f"{one.sessions} sessions: {one.name} accepts {one.accept_per_s:.0f}/s,"
            f" p99 {one.p99_ms:.1f} ms"
        )
    if len({one.tls for one in done}) != 1:
        raise BenchError(f"not the same TLS: {', '.join(one.tls for one in done)}")
    return done


def _accept_once(contender: Submitter, load: Load) -> Accepted:
    """One load; all of it must be in the queue."""
    before, cpu = contender.stored(), cpu_seconds(contender.roots())
    sent = contender.submit(load)
    cpu = cpu_seconds(contender.roots()) - cpu
    stored = contender.stored() - before
    if stored != load.mails:
        raise BenchError(f"{contender.name}: {stored} of {load.mails} mails stored")
    return Accepted(
        contender.name,
        load.connections,
        load.mails / sent.seconds,
        sent.p50_ms,
        sent.p99_ms,
        cpu * 1000 / load.mails,
        sent.tls,
    )


def _accept_rows(done: Sequence[Sequence[Accepted]]) -> list[tuple[str, ...]]:
    """One row for each contender: medians."""
    return [
        (
            results[0].name,
            str(results[0].sessions),
            f"{statistics.median(r.accept_per_s for r in results):.0f}",
            f"{statistics.median(r.p50_ms for r in results):.2f}",
            f"{statistics.median(r.p99_ms for r in results):.2f}",
            f"{statistics.median(r.cpu_ms_per_mail for r in results):.2f}",
        )
        for results in zip(*done, strict=True)
    ]


# -------------------------------------------------- idle and slow sessions


def _crowd(bench: Bench) -> tuple[list[Bound], object]:
    """Memory for idle sessions, in a Postroom that has done nothing else."""
    say(f"{_CROWD} idle sessions")
    with bench.postroom("crowd", holding=True) as ours:
        crowd = Crowd(ours.port, ours.password)
        crowd.grow(20)
        crowd.disperse()  # what the first sessions load is no part of it
        time.sleep(_IDLE_S)
        before = memory(ours.roots())
        crowd.grow(_CROWD)
        time.sleep(_IDLE_S)
        after = memory(ours.roots())
        if lost := crowd.lost():
            raise BenchError(f"{lost} of {_CROWD} idle sessions were cut off")
        crowd.disperse()
    more = Memory(after.rss - before.rss, after.pss - before.pss)
    what = f"{_CROWD} idle TLS sessions, more"
    return [
        Bound(f"{what} RSS", more.rss, "MB", _CROWD_BOUND_MB, False),
        Bound(f"{what} PSS", more.pss, "MB", _CROWD_BOUND_MB, False),
    ], {"before": asdict(before), "after": asdict(after)}


def _slow(bench: Bench) -> tuple[list[Bound], object]:
    """What a session that sends a byte a second costs ten others."""
    say("ten sessions, alone and beside one that sends a byte a second")
    load, done = Load(bench.mails, 10), []
    with bench.postroom("slow", holding=True) as ours:
        ours.submit(load)  # warm
        for index in range(bench.number):
            settle()
            done.append(_slow_round(ours, load, slow_first=bool(index % 2)))
            say(
                f"p99 alone {done[-1].alone_ms:.2f} ms,"
                f" beside the slow one {done[-1].beside_ms:.2f} ms"
            )
    value = statistics.median(one.beside_ms / one.alone_ms for one in done)
    what = "p99 of ten beside a slow one, by alone"
    bound = Bound(what, value, "x", _SLOW_BOUND, False)
    return [bound], [asdict(one) for one in done]


def _slow_round(ours: PostroomSubmission, load: Load, *, slow_first: bool) -> Slowed:
    def alone() -> float:
        return ours.submit(load).p99_ms

    def beside() -> float:
        with Dawdler(ours.port, ours.password):
            return ours.submit(load).p99_ms

    if slow_first:
        slowed = beside()
        return Slowed(alone(), slowed)
    return Slowed(alone(), beside())


# -------------------------------------------------------------------- relay


def _relay(bench: Bench) -> tuple[list[Bound], object]:
    """The same with both relaying to the sink; shown, not promised."""
    say("starting Postroom and Postfix, which relay")
    rows, facts = [], []
    with (
        bench.postroom("relays", holding=False) as ours,
        bench.postfix(holding=False) as theirs,
    ):
        contenders = (ours, theirs)
        rounds(contenders, bench.sink, Load(300, 10), 1)  # warm
        for sessions in (10, 50):
            load = Load(bench.mails, sessions)
            done = rounds(contenders, bench.sink, load, bench.number)
            rows += figures_rows(done)
            facts += [[asdict(one) for one in each] for each in done]
    print("\nSMTP door, STARTTLS, kept sessions, relayed to the sink")
    table(HEADINGS, rows)
    return [], facts
