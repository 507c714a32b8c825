"""Measures Postroom beside Postfix and says whether the bounds are kept.

Every contender is measured in the same run, on the same mail and the same disk; the
relay is measured beside itself. The bounds, at the top of each part's file, are what
it must keep.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

from scripts.benchmarks.agent import measure_agent
from scripts.benchmarks.export import measure_export
from scripts.benchmarks.http_door import measure_http
from scripts.benchmarks.ingestion import FULL as MANY
from scripts.benchmarks.ingestion import QUICK as SOME
from scripts.benchmarks.ingestion import measure_ingestion
from scripts.benchmarks.live import measure_live
from scripts.benchmarks.relay import FULL, QUICK, measure_relay
from scripts.benchmarks.report import Bound, say, table
from scripts.benchmarks.smtp_door import measure_smtp
from scripts.benchmarks.stats import FULL as YEAR
from scripts.benchmarks.stats import QUICK as MONTHS
from scripts.benchmarks.stats import measure_stats
from scripts.benchmarks.tools import BenchError
from scripts.benchmarks.tracker import FULL as LONG
from scripts.benchmarks.tracker import QUICK as SHORT
from scripts.benchmarks.tracker import measure_tracker
from scripts.benchmarks.webhooks import measure_webhooks
from tests.fakes.programs import package_of, program

NEEDED = {
    "http": ("postfix", "smtp-source", "opendkim", "openssl", "cc"),
    "smtp": ("postfix", "openssl", "cc"),
    "relay": ("cc",),
    "tracker": ("cc",),
    "ingestion": (),
    "agent": (),
    "stats": (),
    "webhooks": (),
    "export": (),
    "live": (),
}
PACKAGES = {"cc": "gcc libc6-dev"}
OPENSSL = Path("/usr/include/openssl/ssl.h")


def missing(doors: Sequence[str]) -> list[str]:
    """What to do first, a line each."""
    needed = {name: None for door in doors for name in NEEDED[door]}
    gone = [name for name in needed if program(name) is None]
    lines = [
        f"{name} is not installed: apt install {PACKAGES.get(name, package_of(name))}"
        for name in gone
    ]
    if "smtp" in doors and not OPENSSL.exists():
        lines.append("OpenSSL's headers are not installed: apt install libssl-dev")
    if os.geteuid() != 0 and "postfix" in needed:
        lines.append("a private Postfix needs root")
    return lines


Part: TypeAlias = Callable[[bool], tuple[list[Bound], object]]

# Each measures one part, quickly if that is asked for.
PARTS: Mapping[str, Part] = {
    "http": lambda quick: measure_http(*((2, 1000) if quick else (5, 3000))),
    "smtp": lambda quick: measure_smtp(*((2, 2000) if quick else (5, 6000))),
    "relay": lambda quick: measure_relay(QUICK if quick else FULL),
    "tracker": lambda quick: measure_tracker(SHORT if quick else LONG),
    "ingestion": lambda quick: measure_ingestion(SOME if quick else MANY),
    "agent": lambda quick: measure_agent(os.environ["POSTROOM_PROGRAM"], quick=quick),
    "stats": lambda quick: measure_stats(MONTHS if quick else YEAR),
    "webhooks": lambda quick: measure_webhooks(quick=quick),
    "export": lambda quick: measure_export(quick=quick),
    "live": lambda quick: measure_live(quick=quick),
}


def measure(
    doors: Sequence[str], *, quick: bool
) -> tuple[list[Bound], dict[str, object]]:
    """The promises of these parts, and the figures of every round."""
    bounds: list[Bound] = []
    facts: dict[str, object] = {}
    for door in doors:
        kept, facts[door] = PARTS[door](quick)
        bounds += kept
    return bounds, facts


def main() -> int:
    """The exit status: 0 kept, 1 missed, 2 cannot measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "door", nargs="?", choices=tuple(PARTS), help="one; default all"
    )
    parser.add_argument("--quick", action="store_true", help="fewer mails and rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    options = parser.parse_args()
    doors = (options.door,) if options.door else tuple(PARTS)
    if lines := missing(doors):
        say("; ".join(lines))
        return 2
    # So that what was started is ended, by way of the exit stack.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        promises, facts = measure(doors, quick=options.quick)
    except BenchError as error:
        say(str(error))
        return 2
    table(("promise", "measured", "bound", ""), [one.row() for one in promises])
    if options.json:
        verdicts = [{**asdict(one), "kept": one.kept} for one in promises]
        options.json.write_text(json.dumps({**facts, "bounds": verdicts}))
    return 0 if all(one.kept for one in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
