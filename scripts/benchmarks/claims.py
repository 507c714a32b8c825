"""How long a claim takes in each of two databases; prints one JSON object.

    python -m scripts.benchmarks.claims SMALL LARGE CLAIMS

The claims of both take turns, so that a slow moment of the machine hits both. Each is
a whole transaction with its commit, but for the sync, which is the disk's time.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from appliance.store.claim import claim
from appliance.store.connection import connect_writer
from appliance.store.due import Rounds
from appliance.store.sealed import KEY_BYTES, Sealer
from appliance.store.transaction import Tx

EACH = 10  # deliveries in a claim
_WARM = 20  # until what stands at the front is in memory
_BYTES = 1 << 30


def claimer(file: Path) -> Callable[[], float]:
    """A function that claims a few and returns the milliseconds that took."""
    db, rounds = connect_writer(file), Rounds()
    db.execute("PRAGMA synchronous = OFF")
    sealer = Sealer(bytes(KEY_BYTES))

    def one() -> float:
        start = time.perf_counter()
        db.execute("BEGIN IMMEDIATE")
        tx = Tx(db, sealer)
        copies = claim(tx, time.time_ns(), EACH, _BYTES, rounds=rounds)
        tx.finish()
        db.execute("COMMIT")
        taken = time.perf_counter() - start
        assert len(copies) == EACH, f"{len(copies)} were claimed"
        return taken * 1000

    return one


def main() -> None:
    """Measure, and print."""
    small, large, number = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    claimers = {"small": claimer(small), "large": claimer(large)}
    figures: dict[str, list[float]] = {name: [] for name in claimers}
    for turn in range(_WARM + number):
        for name, one in claimers.items():
            taken = one()
            if turn >= _WARM:
                figures[name].append(taken)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
