"""Mail that the capture provider kept for viewing: the newest, within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from appliance.store.transaction import Tx, View, to_uuid

KEPT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Captured:
    """One mail as it would have left; ``sender`` is the envelope's."""

    delivery: UUID
    at_ns: int
    sender: str
    recipient: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CapturedLine:
    """A captured mail in a list."""

    delivery: UUID
    at_ns: int
    sender: str
    recipient: str
    size_bytes: int


def add_captured(tx: Tx, items: Sequence[Captured], *, keep: int) -> None:
    """Keep ``items`` and let all but the newest ``keep`` go.

    A delivery that was captured before is kept as it was.
    """
    tx.db.executemany(
        "INSERT INTO captured (delivery, at_ns, sender, recipient, raw)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (delivery) DO NOTHING",
        [
            (one.delivery.bytes, one.at_ns, one.sender, one.recipient, one.raw)
            for one in items
        ],
    )
    tx.db.execute(
        "DELETE FROM captured WHERE id IN (SELECT id FROM"
        " (SELECT id, row_number() OVER newest AS mails,"
        "  sum(length(raw)) OVER newest AS bytes"
        "  FROM captured WINDOW newest AS (ORDER BY id DESC))"
        " WHERE mails > ? OR (bytes > ? AND mails > 1))",
        (keep, KEPT_BYTES),
    )


def get_captured(view: View, delivery: UUID) -> Captured | None:
    """The mail that was captured for a delivery, if it is still kept."""
    row = view.db.execute(
        "SELECT delivery, at_ns, sender, recipient, raw FROM captured"
        " WHERE delivery = ?",
        (delivery.bytes,),
    ).fetchone()
    return None if row is None else Captured(to_uuid(row[0]), *row[1:])


def list_captured(view: View, limit: int) -> list[CapturedLine]:
    """The mails captured last, newest first."""
    rows = view.db.execute(
        "SELECT delivery, at_ns, sender, recipient, length(raw) FROM captured"
        " ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [CapturedLine(to_uuid(delivery), *rest) for delivery, *rest in rows]
