"""Who gets no mail from a sub-account, and why.

Intake and the relay ask memory, not this table. Each change has a number, so that
memory follows by reading what changed behind the last number it knows, however long
the whole list is. The first reason is kept until the entry is lifted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from appliance.core.ids import SubAccountId, uuid7
from appliance.core.suppression import (
    ALL,
    Source,
    Suppression,
    SuppressionFilter,
    SuppressionReason,
    Target,
)
from appliance.store.transaction import Tx, View, to_uuid

_COLUMNS = "id, uuid, sub_account, address, reason, at_ns, description, source"
_SELECT = f"SELECT {_COLUMNS}, delivery FROM suppression"  # noqa: S608


@dataclass(frozen=True, slots=True)
class SuppressionChanges:
    """What memory of (sub-account, key) must take in to be up to date."""

    upto: int
    added: Mapping[tuple[SubAccountId, str], SuppressionReason]
    lifted: tuple[tuple[SubAccountId, str], ...]


@dataclass(frozen=True, slots=True)
class NewSuppression:
    """An entry to be, by hand: what is suppressed, why, and since when."""

    target: Target
    reason: SuppressionReason
    at_ns: int
    description: str = ""


def add_suppression(
    tx: Tx,
    sub_account: SubAccountId,
    address: Target,
    *,
    reason: SuppressionReason,
    now_ns: int,
    description: str = "",
    source: Source | None = None,
    delivery: UUID | None = None,
) -> bool:
    """True if the address is newly suppressed; an older reason is kept.

    ``source`` is the one that goes with the reason unless it is named; ``delivery``
    is the copy that was the cause.
    """
    done = tx.db.execute(
        "INSERT INTO suppression (uuid, sub_account, address, reason, at_ns,"
        " description, source, delivery, change)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT suppressions + 1 FROM meta))"
        " ON CONFLICT (sub_account, address) DO UPDATE SET lifted = 0,"
        " reason = excluded.reason, at_ns = excluded.at_ns,"
        " description = excluded.description, source = excluded.source,"
        " delivery = excluded.delivery, change = excluded.change"
        " WHERE lifted = 1",
        (
            uuid7().bytes,
            sub_account,
            address.key,
            int(reason),
            now_ns,
            description,
            int(reason if source is None else source),
            None if delivery is None else delivery.bytes,
        ),
    )
    return _count_change(tx, done.rowcount)


def add_suppressions(
    tx: Tx, sub_account: SubAccountId, items: Sequence[NewSuppression]
) -> int:
    """How many of these are new."""
    return sum(_add(tx, sub_account, item) for item in items)


def put_suppressions(
    tx: Tx, sub_account: SubAccountId, items: Sequence[NewSuppression]
) -> list[tuple[Suppression, bool]]:
    """The entry of each of these as it is now, and whether it is new."""
    made: list[tuple[Suppression, bool]] = []
    for item in items:
        is_new = _add(tx, sub_account, item)
        one = get_suppression(tx, sub_account, item.target)
        assert one is not None
        made.append((one, is_new))
    return made


def remove_suppression(
    tx: Tx, sub_account: SubAccountId, address: Target
) -> Suppression | None:
    """The entry that was lifted, None if there was none."""
    found = get_suppression(tx, sub_account, address)
    if found is not None:
        done = tx.db.execute(
            "UPDATE suppression"
            " SET lifted = 1, change = (SELECT suppressions + 1 FROM meta)"
            " WHERE id = ?",
            (found.id,),
        )
        _count_change(tx, done.rowcount)
    return found


def remove_suppressions(
    tx: Tx, sub_account: SubAccountId, targets: Sequence[Target]
) -> list[Suppression]:
    """The entries that were lifted."""
    lifted = (remove_suppression(tx, sub_account, one) for one in targets)
    return [one for one in lifted if one is not None]


def get_suppression(
    view: View, sub_account: SubAccountId, address: Target
) -> Suppression | None:
    """The entry of exactly this address or domain."""
    row = view.db.execute(
        f"{_SELECT} WHERE sub_account = ? AND address = ? AND lifted = 0",
        (sub_account, address.key),
    ).fetchone()
    return None if row is None else _suppression(row)


def list_suppressions(
    view: View, sub_account: SubAccountId, *, after: int = 0, limit: int
) -> list[Suppression]:
    """The first ``limit`` suppressions with an id above ``after``, in order."""
    rows = view.db.execute(
        # The plus: by number, page by page, instead of sorting all for each page.
        f"{_SELECT} WHERE +sub_account = ? AND id > ? AND lifted = 0"
        " ORDER BY id LIMIT ?",
        (sub_account, after, limit),
    )
    return [_suppression(row) for row in rows]


def find_suppressions(
    view: View,
    sub_account: SubAccountId,
    wanted: SuppressionFilter = ALL,
    *,
    offset: int = 0,
    limit: int,
) -> list[Suppression]:
    """The wanted suppressions, newest first."""
    where, values = _where(sub_account, wanted)
    rows = view.db.execute(
        f"{_SELECT} WHERE {where} ORDER BY at_ns DESC, id DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [_suppression(row) for row in rows]


def count_suppressions(
    view: View, sub_account: SubAccountId, wanted: SuppressionFilter = ALL
) -> int:
    """How many suppressions are wanted."""
    where, values = _where(sub_account, wanted)
    row = view.db.execute(
        f"SELECT count(*) FROM suppression WHERE {where}",  # noqa: S608
        values,
    ).fetchone()
    return int(row[0])


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


def _add(tx: Tx, sub_account: SubAccountId, item: NewSuppression) -> bool:
    return add_suppression(
        tx,
        sub_account,
        item.target,
        reason=item.reason,
        now_ns=item.at_ns,
        description=item.description,
        source=Source.HAND,
    )


def _where(
    sub_account: SubAccountId, wanted: SuppressionFilter
) -> tuple[str, list[object]]:
    """The condition and its values."""
    parts: list[tuple[str, object]] = [("sub_account = ?", sub_account)]
    if wanted.reason is not None:
        parts.append(("reason = ?", int(wanted.reason)))
    if wanted.search:
        parts.append(("instr(address, ?) > 0", wanted.search.lower().lstrip("*")))
    if wanted.from_ns is not None:
        parts.append(("at_ns >= ?", wanted.from_ns))
    if wanted.until_ns is not None:
        parts.append(("at_ns < ?", wanted.until_ns))
    where = " AND ".join(["lifted = 0", *(text for text, _ in parts)])
    return where, [value for _, value in parts]


def _suppression(row: Sequence[Any]) -> Suppression:
    id_, uuid, sub_account, address, reason, at_ns, description, source, delivery = row
    return Suppression(
        id_,
        to_uuid(uuid),
        SubAccountId(sub_account),
        address,
        SuppressionReason(reason),
        at_ns,
        description,
        Source(source),
        None if delivery is None else to_uuid(delivery),
    )


def _count_change(tx: Tx, rows: int) -> bool:
    if rows:
        tx.db.execute("UPDATE meta SET suppressions = suppressions + 1")
    return bool(rows)
