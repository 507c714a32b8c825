"""Measures Postroom beside Postfix and says whether the bounds are kept.

Every round measures each contender once, in turn, on the same mail and the same
sink; a ratio is the median of the ratios of the rounds, so that a slow minute of
the machine hits both. The bounds are what it must keep.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from scripts.benchmarks.contenders import Appliance, Load, Postfix, version_seconds
from scripts.benchmarks.meter import Memory, Meter, cores_busy, memory
from scripts.benchmarks.tools import BenchError, Sink, compile_tool, the_mail
from tests.fakes.programs import package_of, program

NEEDED = ("postfix", "smtp-source", "opendkim", "openssl", "cc")
PACKAGES = {"cc": "gcc libc6-dev"}
ARRIVAL_S = 120
IDLE_S = 5
QUIET_S = 20
QUIET_CORES = 0.2

ACCEPT_BOUND = 1.0
UNSIGNED_BOUND = 0.8
SIGNED_BOUND = 1.6
IDLE_BOUND_MB = 90
VERSION_BOUND_S = 0.3


class Contender(Protocol):
    """What can be measured."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def roots(self) -> Sequence[int]:
        """The processes to account for, with their children."""
        ...

    def send(self, load: Load) -> float:
        """The seconds until all mail was accepted."""
        ...


@dataclass(frozen=True, slots=True)
class Measured:
    """One contender in one round."""

    name: str
    connections: int
    accept_per_s: float
    end_to_end_per_s: float
    cpu_ms_per_mail: float
    peak: Memory


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise and what was measured."""

    what: str
    value: float
    unit: str
    limit: float
    at_least: bool

    @property
    def kept(self) -> bool:
        """True if the promise holds."""
        return (self.value >= self.limit) is self.at_least

    def row(self) -> tuple[str, ...]:
        """The row of the table."""
        sign = ">=" if self.at_least else "<"
        word = "ok" if self.kept else "MISS"
        value = f"{self.value:.2f} {self.unit}"
        return (self.what, value, f"{sign} {self.limit} {self.unit}", word)


def measure(contender: Contender, sink: Sink, load: Load) -> Measured:
    """One round: first request to last mail at the sink.

    Raises:
        BenchError: mail was refused, lost or doubled.
    """
    before = sink.taken()
    with Meter(contender.roots()) as meter:
        start = time.perf_counter()
        accepting = contender.send(load)
        arrived = sink.wait_for(before + load.mails, ARRIVAL_S)
    time.sleep(0.3)  # a doubled mail would come now
    extra = sink.taken() - before - load.mails
    if extra:
        raise BenchError(f"{contender.name}: {extra} mails arrived twice")
    return Measured(
        contender.name,
        load.connections,
        load.mails / accepting,
        load.mails / (arrived - start),
        meter.cpu_s * 1000 / load.mails,
        meter.peak,
    )


def wait_for_quiet() -> float:
    """Wait a while for other work to end; the cores it still uses."""
    over = time.monotonic() + QUIET_S
    while (busy := cores_busy(1)) > QUIET_CORES and time.monotonic() < over:
        pass
    return busy


def rounds(
    contenders: Sequence[Contender], sink: Sink, load: Load, number: int
) -> list[list[Measured]]:
    """For each round the figures of each contender, measured in turn."""
    done = []
    for index in range(number):
        busy = wait_for_quiet()
        if busy > QUIET_CORES:
            say(f"other work uses {busy:.1f} cores: the figures are too low")
        done.append([measure(one, sink, load) for one in contenders])
        for one in done[-1]:
            say(
                f"{load.connections} connections, round {index + 1} of {number}:"
                f" {one.name} accepts {one.accept_per_s:.0f}/s,"
                f" end to end {one.end_to_end_per_s:.0f}/s"
            )
    return done


def ratio(
    done: Sequence[Sequence[Measured]], figure: str, against: str, of: str = "postroom"
) -> float:
    """The median over the rounds of one contender's figure by another's."""
    found: list[float] = []
    for one_round in done:
        by_name = {one.name: getattr(one, figure) for one in one_round}
        found.append(by_name[of] / by_name[against])
    return statistics.median(found)


def figures_rows(done: Sequence[Sequence[Measured]]) -> list[tuple[str, ...]]:
    """One row for each contender: medians, and the highest peaks."""
    rows: list[tuple[str, ...]] = []
    for results in zip(*done, strict=True):
        first = results[0]
        rows.append(
            (
                first.name,
                str(first.connections),
                f"{statistics.median(r.accept_per_s for r in results):.0f}",
                f"{statistics.median(r.end_to_end_per_s for r in results):.0f}",
                f"{ratio(done, 'end_to_end_per_s', 'postfix', first.name):.2f}",
                f"{statistics.median(r.cpu_ms_per_mail for r in results):.2f}",
                f"{max(r.peak.rss for r in results):.0f}",
                f"{max(r.peak.pss for r in results):.0f}",
            )
        )
    return rows


def bounds(
    done: Sequence[Sequence[Measured]], idle: Memory, version_s: float
) -> list[Bound]:
    """The promises, with what this run says of each."""
    accept = ratio(done, "accept_per_s", "postfix")
    unsigned = ratio(done, "end_to_end_per_s", "postfix")
    signed = ratio(done, "end_to_end_per_s", "postfix+opendkim")
    return [
        Bound("HTTP accept by Postfix's, 50", accept, "x", ACCEPT_BOUND, True),
        Bound("end to end by Postfix unsigned", unsigned, "x", UNSIGNED_BOUND, True),
        Bound("end to end by Postfix + OpenDKIM", signed, "x", SIGNED_BOUND, True),
        Bound("idle memory, RSS", idle.rss, "MB", IDLE_BOUND_MB, False),
        Bound("idle memory, PSS", idle.pss, "MB", IDLE_BOUND_MB, False),
        Bound("postroom version", version_s, "s", VERSION_BOUND_S, False),
    ]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headings, aligned."""
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    print()


def say(text: str) -> None:
    """Progress, apart from the result."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def missing() -> list[str]:
    """What to do first, a line each."""
    gone = [name for name in NEEDED if program(name) is None]
    lines = [
        f"{name} is not installed: apt install {PACKAGES.get(name, package_of(name))}"
        for name in gone
    ]
    if os.geteuid() != 0:
        lines.append("a private Postfix needs root")
    return lines


def run(zipapp: str, number: int, mails: int) -> tuple[list[Bound], object]:
    """Everything in order: start-up, idle memory, then the rounds."""
    say("postroom version, five times")
    version_s = statistics.median(version_seconds(zipapp) for _ in range(5))
    all_rounds: list[list[Measured]] = []
    rows: list[tuple[str, ...]] = []
    with contextlib.ExitStack() as cleanup:
        place = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        folder, mail = Path(place), the_mail()
        sink = Sink(compile_tool("smtpsink", folder), folder)
        cleanup.callback(sink.close)
        say("starting Postroom, then Postfix twice")
        appliance = Appliance(compile_tool("httpload", folder), sink, mail, folder)
        cleanup.callback(appliance.close)
        time.sleep(IDLE_S)
        idle = memory(appliance.roots())
        contenders: list[Contender] = [appliance]
        for signing in (False, True):
            server = Postfix(sink, mail, folder, signing=signing)
            cleanup.callback(server.close)
            contenders.append(server)
        rounds(contenders, sink, Load(300, 10), 1)  # warm
        last: list[list[Measured]] = []
        for connections in (10, 50):
            last = rounds(contenders, sink, Load(mails, connections), number)
            all_rounds += last
            rows += figures_rows(last)
        if "Traceback" in appliance.log():
            raise BenchError(f"postroom failed: {appliance.log()[-3000:]}")
    headings = ("who", "connections", "accept/s", "end to end/s", "by Postfix")
    print()
    table((*headings, "CPU ms/mail", "peak RSS MB", "peak PSS MB"), rows)
    facts = [[asdict(one) for one in one_round] for one_round in all_rounds]
    return bounds(last, idle, version_s), facts


def main() -> int:
    """The exit status: 0 kept, 1 missed, 2 cannot measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer mails and rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    options = parser.parse_args()
    if lines := missing():
        say("; ".join(lines))
        return 2
    # So that what was started is ended, by way of the exit stack.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    number, mails = (2, 1000) if options.quick else (5, 3000)
    try:
        promises, facts = run(os.environ["POSTROOM_PROGRAM"], number, mails)
    except BenchError as error:
        say(str(error))
        return 2
    table(("promise", "measured", "bound", ""), [one.row() for one in promises])
    if options.json:
        verdicts = [{**asdict(one), "kept": one.kept} for one in promises]
        options.json.write_text(json.dumps({"rounds": facts, "bounds": verdicts}))
    return 0 if all(one.kept for one in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
