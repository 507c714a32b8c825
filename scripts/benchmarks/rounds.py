"""Rounds: each contender once, in turn, on the same mail and the same sink.

A ratio is the median of the ratios of the rounds, so that a slow minute of the
machine hits both.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scripts.benchmarks.meter import Memory, Meter, cores_busy
from scripts.benchmarks.report import say
from scripts.benchmarks.tools import BenchError, Load, Sink

HEADINGS = (
    "who",
    "connections",
    "accept/s",
    "end to end/s",
    "by Postfix",
    "CPU ms/mail",
    "peak RSS MB",
    "peak PSS MB",
)

_ARRIVAL_S = 120
_QUIET_S = 20
_QUIET_CORES = 0.2


class Named(Protocol):
    """A contender, or what was measured of it."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...


class Contender(Named, Protocol):
    """What can be measured."""

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


def measure(contender: Contender, sink: Sink, load: Load) -> Measured:
    """One round: first request to last mail at the sink.

    Raises:
        BenchError: mail was refused, lost or doubled.
    """
    before = sink.taken()
    with Meter(contender.roots()) as meter:
        start = time.perf_counter()
        accepting = contender.send(load)
        arrived = sink.wait_for(before + load.mails, _ARRIVAL_S)
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


def settle() -> None:
    """Wait a while for other work to end, and say so if it does not."""
    over = time.monotonic() + _QUIET_S
    while (busy := cores_busy(1)) > _QUIET_CORES and time.monotonic() < over:
        pass
    if busy > _QUIET_CORES:
        say(f"other work uses {busy:.1f} cores: the figures are too low")


def rounds(
    contenders: Sequence[Contender], sink: Sink, load: Load, number: int
) -> list[list[Measured]]:
    """For each round the figures of each contender, measured in turn."""
    done = []
    for index in range(number):
        settle()
        done.append([measure(one, sink, load) for one in contenders])
        for one in done[-1]:
            say(
                f"{load.connections} connections, round {index + 1} of {number}:"
                f" {one.name} accepts {one.accept_per_s:.0f}/s,"
                f" end to end {one.end_to_end_per_s:.0f}/s"
            )
    return done


def ratio(
    done: Sequence[Sequence[Named]], figure: str, against: str, of: str = "postroom"
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
