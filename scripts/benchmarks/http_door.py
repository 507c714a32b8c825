"""The HTTP door: accepted and relayed, beside Postfix with and without OpenDKIM."""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.benchmarks.contenders import Appliance, Postfix, version_seconds
from scripts.benchmarks.meter import Memory, memory
from scripts.benchmarks.report import Bound, say, table
from scripts.benchmarks.rounds import (
    HEADINGS,
    Contender,
    Measured,
    figures_rows,
    ratio,
    rounds,
)
from scripts.benchmarks.tools import BenchError, Load, Sink, compile_tool, the_mail

_IDLE_S = 5

_ACCEPT_BOUND = 1.0
_UNSIGNED_BOUND = 1.2
_SIGNED_BOUND = 2.4
_IDLE_BOUND_MB = 90
_VERSION_BOUND_S = 0.3


def measure_http(number: int, mails: int) -> tuple[list[Bound], list[object]]:
    """Everything in order: start-up, idle memory, then the rounds.

    Raises:
        BenchError: it cannot be measured.
    """
    say("postroom version, five times")
    version_s = statistics.median(version_seconds() for _ in range(5))
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
        time.sleep(_IDLE_S)
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
    print("\nHTTP door; Postfix takes the same mail over SMTP in clear")
    table(HEADINGS, rows)
    facts: list[object] = [[asdict(one) for one in each] for each in all_rounds]
    return _bounds(last, idle, version_s), facts


def _bounds(
    done: Sequence[Sequence[Measured]], idle: Memory, version_s: float
) -> list[Bound]:
    """The promises, with what this run says of each."""
    accept = ratio(done, "accept_per_s", "postfix")
    unsigned = ratio(done, "end_to_end_per_s", "postfix")
    signed = ratio(done, "end_to_end_per_s", "postfix+opendkim")
    return [
        Bound("HTTP accept by Postfix's, 50", accept, "x", _ACCEPT_BOUND, True),
        Bound("end to end by Postfix unsigned", unsigned, "x", _UNSIGNED_BOUND, True),
        Bound("end to end by Postfix + OpenDKIM", signed, "x", _SIGNED_BOUND, True),
        Bound("idle memory, RSS", idle.rss, "MB", _IDLE_BOUND_MB, False),
        Bound("idle memory, PSS", idle.pss, "MB", _IDLE_BOUND_MB, False),
        Bound("postroom version", version_s, "s", _VERSION_BOUND_S, False),
    ]
