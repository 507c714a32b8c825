"""What an upstream still tries: since when, how often, and why it is not done yet.

That is no event (it may come thousands of times), so it is kept apart: one row for
each delivery, for a few days after the last try.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.core.event import Scalar
from appliance.core.ids import DeliveryId
from appliance.core.report import Report
from appliance.core.story import Deferral
from appliance.store.rows import insert_rows
from appliance.store.transaction import Tx, View

KEPT_NS = 7 * 24 * 3600 * 1_000_000_000  # a server gives up after five days
_NOTE = (
    "INSERT INTO deferral (delivery, first_ns, last_ns, tries, code, enhanced, text,"
    " relay)"
)
# One that comes again, or late, is no further try.
_AGAIN = (
    " ON CONFLICT (delivery) DO UPDATE SET tries = tries + 1, last_ns ="
    " excluded.last_ns, code = excluded.code, enhanced = excluded.enhanced,"
    " text = excluded.text, relay = excluded.relay"
    " WHERE excluded.last_ns > deferral.last_ns"
)


@dataclass(frozen=True, slots=True)
class Delay:
    """One report that a delivery was put off, at a moment that is settled."""

    delivery: DeliveryId
    at_ns: int
    report: Report


def note_delays(tx: Tx, delays: Sequence[Delay]) -> None:
    """Keep what was put off."""
    rows = [
        (
            one.delivery,
            one.at_ns,
            one.at_ns,
            1,
            _number(one.report.data.get("code", 0)),
            str(one.report.data.get("enhanced", "")),
            str(one.report.data.get("text", "")),
            str(one.report.data.get("relay", "")),
        )
        for one in delays
    ]
    insert_rows(tx.db, _NOTE, rows, _AGAIN)


def get_deferral(view: View, delivery: DeliveryId) -> Deferral | None:
    """What is known of an upstream's tries, None if it put nothing off."""
    row = view.db.execute(
        "SELECT first_ns, last_ns, tries, code, enhanced, text, relay FROM deferral"
        " WHERE delivery = ?",
        (delivery,),
    ).fetchone()
    return None if row is None else Deferral(*row)


def forget_delays(tx: Tx, now_ns: int, batch: int) -> int:
    """How many rows were removed whose last try was long ago."""
    return tx.db.execute(
        "DELETE FROM deferral WHERE delivery IN"
        " (SELECT delivery FROM deferral WHERE last_ns < ? ORDER BY last_ns LIMIT ?)",
        (now_ns - KEPT_NS, batch),
    ).rowcount


def _number(value: Scalar) -> int:
    return value if isinstance(value, int) else 0
