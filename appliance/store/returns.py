"""Whom mail that comes back is about, and how much of it there was."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.store.rows import insert_rows
from appliance.store.transaction import Tx, View, to_uuid

_WENT = (
    "SELECT uuid, sub_account, recipient,"
    " EXISTS (SELECT 1 FROM delivery WHERE message = d.message AND id > d.id)"
    " AND NOT EXISTS (SELECT 1 FROM delivery WHERE message = d.message AND id < d.id)"
    " FROM delivery AS d WHERE uuid = ? AND (attempts > 0 OR dot_ns IS NOT NULL)"
)
# The first copy has the id of the message, which all of its copies show.
_ALONE = (
    " AND NOT EXISTS (SELECT 1 FROM delivery AS other"
    " WHERE other.message = d.message AND other.id <> d.id)"
)


@dataclass(frozen=True, slots=True)
class Gone:
    """A copy that left, or may have left, and can come back.

    ``shown``: its id stands in other copies too, for it is the message's, so that their
    recipients could write what comes back.
    """

    delivery: UUID
    sub_account: SubAccountId
    recipient: Address
    shown: bool = False


def find_gone(view: View, delivery: UUID) -> Gone | None:
    """The copy with this id, None if no copy that left has it."""
    return _gone(view, _WENT, delivery)


def find_gone_by_message(view: View, message: UUID) -> Gone | None:
    """The only copy of the message with this id; None if there are several."""
    return _gone(view, _WENT + _ALONE, message)


def add_return_counts(tx: Tx, counts: Mapping[str, int], now_ns: int) -> None:
    """Count so many more of each kind."""
    rows = [(kind, times, now_ns) for kind, times in counts.items()]
    insert_rows(
        tx.db,
        "INSERT INTO return_count (kind, times, last_ns)",
        rows,
        "ON CONFLICT (kind) DO UPDATE SET times = times + excluded.times,"
        " last_ns = excluded.last_ns",
    )


def return_counts(view: View) -> dict[str, int]:
    """How often each kind came so far."""
    return dict(view.db.execute("SELECT kind, times FROM return_count ORDER BY kind"))


def _gone(view: View, select: str, uuid: UUID) -> Gone | None:
    row = view.db.execute(select, (uuid.bytes,)).fetchone()
    if row is None:
        return None
    delivery, sub_account, recipient, shown = row
    local, _, domain = recipient.rpartition("@")
    return Gone(
        to_uuid(delivery),
        SubAccountId(sub_account),
        Address(local, domain),
        bool(shown),
    )
