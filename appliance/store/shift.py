"""Moves what waits for a moment, after the clock of the machine was set back."""

from appliance.store.transaction import Tx, View

BATCH = 10_000  # rows looked at in one transaction


def last_delivery(view: View) -> int:
    """The highest number that a delivery has."""
    (last,) = view.db.execute("SELECT max(id) FROM delivery").fetchone()
    return int(last or 0)


def bring_forward(tx: Tx, after: int, now_ns: int, by_ns: int) -> int:
    """The last number looked at, after which to go on.

    What is queued or in doubt becomes due so much earlier, though not before now.
    """
    upto = after + BATCH
    tx.db.execute(
        "UPDATE delivery SET due_ns = max(?, due_ns - ?)"
        " WHERE id > ? AND id <= ? AND due_ns > ?",
        (now_ns, by_ns, after, upto, now_ns),
    )
    return upto
