"""Who gets no mail from a sub-account, and why.

Intake asks memory, not this table. Each change has a number, so that memory
follows by reading what changed behind the last number it knows, however long
the whole list is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from appliance.core.address import Address
from appliance.core.ids import SubAccountId, uuid7
from appliance.store.transaction import Tx, View, to_uuid


class SuppressionReason(IntEnum):
    """Why an address is suppressed; the numbers are what the wire shows."""

    MANUAL = 0
    UNSUBSCRIBE = 1
    HARD_BOUNCE = 2
    SPAM_COMPLAINT = 3

    @property
    def label(self) -> str:
        """As people read it, such as ``hard bounce``."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One address that gets no mail; ``address`` is in the form of its key."""

    id: int
    uuid: UUID
    sub_account: SubAccountId
    address: str
    reason: SuppressionReason
    at_ns: int
    description: str


@dataclass(frozen=True, slots=True)
class SuppressionChanges:
    """What memory of (sub-account, address key) must take in to be up to date."""

    upto: int
    added: Mapping[tuple[SubAccountId, str], SuppressionReason]
    lifted: tuple[tuple[SubAccountId, str], ...]


def add_suppression(
    tx: Tx,
    sub_account: SubAccountId,
    address: Address,
    *,
    reason: SuppressionReason,
    now_ns: int,
    description: str = "",
) -> bool:
    """True if the address is newly suppressed; an older reason is kept."""
    done = tx.db.execute(
        "INSERT INTO suppression"
        " (uuid, sub_account, address, reason, at_ns, description, change)"
        " VALUES (?, ?, ?, ?, ?, ?, (SELECT suppressions + 1 FROM meta))"
        " ON CONFLICT (sub_account, address) DO UPDATE SET lifted = 0,"
        " reason = excluded.reason, at_ns = excluded.at_ns,"
        " description = excluded.description, change = excluded.change"
        " WHERE lifted = 1",
        (
            uuid7().bytes,
            sub_account,
            address.key,
            int(reason),
            now_ns,
            description,
        ),
    )
    return _count_change(tx, done.rowcount)


def remove_suppression(tx: Tx, sub_account: SubAccountId, address: Address) -> bool:
    """True if the address was suppressed and is no longer."""
    done = tx.db.execute(
        "UPDATE suppression"
        " SET lifted = 1, change = (SELECT suppressions + 1 FROM meta)"
        " WHERE sub_account = ? AND address = ? AND lifted = 0",
        (sub_account, address.key),
    )
    return _count_change(tx, done.rowcount)


def list_suppressions(
    view: View, sub_account: SubAccountId, *, after: int = 0, limit: int
) -> list[Suppression]:
    """The first ``limit`` suppressions with an id above ``after``, in order."""
    rows = view.db.execute(
        "SELECT id, uuid, sub_account, address, reason, at_ns, description"
        " FROM suppression WHERE sub_account = ? AND id > ? AND lifted = 0"
        " ORDER BY id LIMIT ?",
        (sub_account, after, limit),
    )
    return [
        Suppression(
            id_, to_uuid(uuid), SubAccountId(sub), key, SuppressionReason(why), *rest
        )
        for id_, uuid, sub, key, why, *rest in rows
    ]


def load_suppression_changes(view: View, after: int) -> SuppressionChanges:
    """What changed behind change number ``after``; behind 0 that is everything."""
    added: dict[tuple[SubAccountId, str], SuppressionReason] = {}
    lifted: list[tuple[SubAccountId, str]] = []
    upto = after
    for sub_account, address, reason, is_lifted, change in view.db.execute(
        "SELECT sub_account, address, reason, lifted, change FROM suppression"
        " WHERE change > ? ORDER BY change",
        (after,),
    ):
        if is_lifted:
            lifted.append((SubAccountId(sub_account), address))
        else:
            added[SubAccountId(sub_account), address] = SuppressionReason(reason)
        upto = change
    return SuppressionChanges(upto, added, tuple(lifted))


def _count_change(tx: Tx, rows: int) -> bool:
    if rows:
        tx.db.execute("UPDATE meta SET suppressions = suppressions + 1")
    return bool(rows)
