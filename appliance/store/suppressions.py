"""Who gets no mail from a sub-account, and why.

Intake and the relay ask memory, not this table. Each change has a number, so that
memory follows by reading what changed behind the last number it knows, however long
the whole list is. Of what is added by itself the first reason is kept until the entry
is lifted, and the later of two ends; a hand changes both.

An entry that has ended counts no more at that moment, and is lifted by ``expire`` some
time later. Until then it is shown to whoever does not say what time it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from appliance.core.ids import SubAccountId, uuid7
from appliance.core.suppression import (
    ALL,
    EVERYTHING,
    Scope,
    Source,
    Stop,
    Suppression,
    SuppressionFilter,
    SuppressionReason,
    Target,
)
from appliance.store.transaction import Tx, View, to_uuid

_SELECT = (
    "SELECT id, uuid, sub_account, address, reason, at_ns, description, source,"
    " delivery, topic, domain, expires_ns FROM suppression"
)
_KEY = "sub_account = ? AND address = ? AND topic = ? AND domain = ? AND lifted = 0"
_HOLDS = "(expires_ns IS NULL OR expires_ns > ?)"
NEXT_CHANGE = "(SELECT suppressions + 1 FROM meta)"

# By what memory finds an entry: whose, the address or domain, and for what mail.
Known: TypeAlias = tuple[SubAccountId, str, Scope]
_FOR_EVER = {int(reason): Stop(reason) for reason in SuppressionReason}


@dataclass(frozen=True, slots=True)
class SuppressionChanges:
    """What memory must take in to be up to date."""

    upto: int
    added: Mapping[Known, Stop]
    lifted: tuple[Known, ...]


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
    scope: Scope = EVERYTHING,
    expires_ns: int | None = None,
) -> bool:
    """True if the address is newly suppressed; an older reason is kept.

    ``source`` is the one that goes with the reason unless it is named; ``delivery``
    is the copy that was the cause.
    """
    done = tx.db.execute(
        "INSERT INTO suppression"  # noqa: S608 - our own text
        " (uuid, sub_account, address, topic, domain, reason, at_ns, description,"
        " source, delivery, expires_ns, change)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {NEXT_CHANGE})"
        " ON CONFLICT (sub_account, address, topic, domain) DO UPDATE SET lifted = 0,"
        " reason = excluded.reason, at_ns = excluded.at_ns,"
        " description = excluded.description, source = excluded.source,"
        " delivery = excluded.delivery, expires_ns = excluded.expires_ns,"
        " change = excluded.change"
        " WHERE lifted = 1 OR suppression.expires_ns <= excluded.at_ns",
        (
            uuid7().bytes,
            sub_account,
            address.key,
            *scope,
            int(reason),
            now_ns,
            description,
            int(reason if source is None else source),
            None if delivery is None else delivery.bytes,
            expires_ns,
        ),
    )
    if count_change(tx, done.rowcount):
        return True
    _prolong(tx, (sub_account, address.key, *scope), expires_ns)
    return False


def remove_suppression(
    tx: Tx, sub_account: SubAccountId, address: Target, scope: Scope = EVERYTHING
) -> Suppression | None:
    """The entry that was lifted, None if there was none."""
    found = get_suppression(tx, sub_account, address, scope)
    if found is not None:
        lift(tx, found)
    return found


def lift(tx: Tx, one: Suppression) -> None:
    """Let an entry count no more."""
    done = tx.db.execute(
        f"UPDATE suppression SET lifted = 1, change = {NEXT_CHANGE}"  # noqa: S608
        " WHERE id = ?",
        (one.id,),
    )
    count_change(tx, done.rowcount)


def expire(tx: Tx, now_ns: int, batch: int) -> int:
    """Lift at most ``batch`` entries that have ended; returns how many."""
    done = tx.db.execute(
        f"UPDATE suppression SET lifted = 1, change = {NEXT_CHANGE}"  # noqa: S608
        " WHERE id IN (SELECT id FROM suppression"
        " WHERE lifted = 0 AND expires_ns <= ? ORDER BY expires_ns LIMIT ?)",
        (now_ns, batch),
    )
    count_change(tx, done.rowcount)
    return done.rowcount


def get_suppression(
    view: View,
    sub_account: SubAccountId,
    address: Target,
    scope: Scope = EVERYTHING,
) -> Suppression | None:
    """The entry of exactly this address or domain, for exactly this mail."""
    row = view.db.execute(
        f"{_SELECT} WHERE {_KEY}", (sub_account, address.key, *scope)
    ).fetchone()
    return None if row is None else _suppression(row)


def get_suppressions(
    view: View, sub_account: SubAccountId, address: Target, *, now_ns: int = 0
) -> list[Suppression]:
    """All entries of exactly this address or domain, that for all mail first."""
    rows = view.db.execute(
        f"{_SELECT} WHERE sub_account = ? AND address = ? AND lifted = 0"
        f" AND {_HOLDS} ORDER BY topic, domain",
        (sub_account, address.key, now_ns),
    )
    return [_suppression(row) for row in rows]


def list_suppressions(
    view: View,
    sub_account: SubAccountId,
    *,
    after: int = 0,
    limit: int,
    now_ns: int = 0,
) -> list[Suppression]:
    """The first ``limit`` suppressions with an id above ``after``, in order."""
    rows = view.db.execute(
        # The plus: by number, page by page, instead of sorting all for each page.
        f"{_SELECT} WHERE +sub_account = ? AND id > ? AND lifted = 0"
        f" AND {_HOLDS} ORDER BY id LIMIT ?",
        (sub_account, after, now_ns, limit),
    )
    return [_suppression(row) for row in rows]


def find_suppressions(
    view: View,
    sub_account: SubAccountId,
    wanted: SuppressionFilter = ALL,
    *,
    offset: int = 0,
    limit: int,
    now_ns: int = 0,
) -> list[Suppression]:
    """The wanted suppressions, newest first."""
    where, values = _where(sub_account, wanted, now_ns)
    rows = view.db.execute(
        f"{_SELECT} WHERE {where} ORDER BY at_ns DESC, id DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [_suppression(row) for row in rows]


def count_suppressions(
    view: View,
    sub_account: SubAccountId,
    wanted: SuppressionFilter = ALL,
    *,
    now_ns: int = 0,
) -> int:
    """How many suppressions are wanted."""
    where, values = _where(sub_account, wanted, now_ns)
    row = view.db.execute(
        f"SELECT count(*) FROM suppression WHERE {where}",  # noqa: S608
        values,
    ).fetchone()
    return int(row[0])


def load_suppression_changes(view: View, after: int) -> SuppressionChanges:
    """What changed behind change number ``after``; behind 0 that is everything."""
    added: dict[Known, Stop] = {}
    lifted: list[Known] = []
    upto = after
    rows = view.db.execute(
        "SELECT sub_account, address, topic, domain, reason, expires_ns, lifted,"
        " change FROM suppression WHERE change > ? ORDER BY change",
        (after,),
    )
    for owner, address, topic, domain, reason, expires_ns, is_lifted, change in rows:
        # Nearly all are for all mail and for ever: they share what they can.
        scope = Scope(topic, domain) if topic or domain else EVERYTHING
        known = SubAccountId(owner), address, scope
        if is_lifted:
            lifted.append(known)
        elif scope is EVERYTHING and expires_ns is None:
            added[known] = _FOR_EVER[reason]
        else:
            added[known] = Stop(SuppressionReason(reason), scope, expires_ns)
        upto = change
    return SuppressionChanges(upto, added, tuple(lifted))


def count_change(tx: Tx, rows: int) -> bool:
    """Give a change of so many rows its number; False if there was none."""
    if rows:
        tx.db.execute("UPDATE meta SET suppressions = suppressions + 1")
    return bool(rows)


def _prolong(tx: Tx, key: tuple[object, ...], expires_ns: int | None) -> None:
    """Let an entry last until that moment, if it would end sooner."""
    done = tx.db.execute(
        f"UPDATE suppression SET expires_ns = ?, change = {NEXT_CHANGE}"  # noqa: S608
        f" WHERE {_KEY} AND expires_ns < coalesce(?, 9e18)",
        (expires_ns, *key, expires_ns),
    )
    count_change(tx, done.rowcount)


def _where(
    sub_account: SubAccountId, wanted: SuppressionFilter, now_ns: int
) -> tuple[str, list[object]]:
    """The condition and its values."""
    parts: list[tuple[str, object]] = [("sub_account = ?", sub_account)]
    parts.append((_HOLDS, now_ns))
    if wanted.reason is not None:
        parts.append(("reason = ?", int(wanted.reason)))
    if wanted.search:
        parts.append(("instr(address, ?) > 0", wanted.search.lower().lstrip("*")))
    if wanted.from_ns is not None:
        parts.append(("at_ns >= ?", wanted.from_ns))
    if wanted.until_ns is not None:
        parts.append(("at_ns < ?", wanted.until_ns))
    if wanted.scope is not None:
        parts += ("topic = ?", wanted.scope.topic), ("domain = ?", wanted.scope.domain)
    where = " AND ".join(["lifted = 0", *(text for text, _ in parts)])
    return where, [value for _, value in parts]


def _suppression(row: Sequence[Any]) -> Suppression:
    id_, uuid, sub_account, address, reason, at_ns, description, *rest = row
    source, delivery, topic, domain, expires_ns = rest
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
        Scope(topic, domain),
        expires_ns,
    )
