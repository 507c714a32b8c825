"""The long run: ``scripts/crash``. Prints counts; ends with 1 if a promise broke."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.crash.campaign import Campaign

MAX_SHOWN = 20


def main() -> int:
    """Run a campaign as the arguments say."""
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=40, help="at least so many")
    parser.add_argument("--seconds", type=float, default=0, help="at least so long")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--keep", type=Path, help="a folder to leave all files in")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postroom-crash-") as folder:
        campaign = Campaign(wanted.keep or Path(folder), wanted.seed, _say)
        report = campaign.run(wanted.kills, wanted.seconds)
    facts = report.facts()
    facts["faults"] = report.faults[:MAX_SHOWN]
    facts["faultsInAll"] = len(report.faults)
    print(json.dumps(facts, indent=2))  # noqa: T201  its answer
    return 1 if report.faults else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  its progress


if __name__ == "__main__":
    sys.exit(main())
