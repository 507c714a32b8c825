"""Forgetting what is old, a little at a time; never mail that is not finished."""

from dataclasses import dataclass

import msgspec

from appliance.store.deferrals import forget_delays
from appliance.store.idempotency import forget_keys
from appliance.store.login_blocks import forget_login_blocks
from appliance.store.suppressions import expire
from appliance.store.transaction import Tx

_SPARE_PAGES = 25_000  # 100 MB of free pages are kept for reuse
_PAGES_AT_ONCE = 2_500


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows one pass removed; all zeros means nothing old is left."""

    events: int
    messages: int
    deliveries: int
    contents: int
    keys: int = 0
    suppressions: int = 0


def prune(
    tx: Tx,
    now_ns: int,
    *,
    keep_events_ns: int,
    keep_messages_ns: int,
    keep_keys_ns: int,
    batch: int,
) -> Pruned:
    """Remove at most ``batch`` old events, idempotency keys and finished messages.

    A message is old when its last delivery was settled that long ago. As many
    suppressions that have ended are lifted. Pages that are free in great number go
    back to the file system by and by.
    """
    # Each look is at the oldest rows only, however many there are behind them.
    events = tx.db.execute(
        "DELETE FROM event WHERE number IN"
        " (SELECT number FROM event ORDER BY number LIMIT ?) AND at_ns < ?",
        (batch, now_ns - keep_events_ns),
    ).rowcount
    keys = forget_keys(tx, now_ns - keep_keys_ns, batch)
    forget_login_blocks(tx, now_ns)
    forget_delays(tx, now_ns, batch)
    lifted = expire(tx, now_ns, batch)
    old = _old_messages(tx, now_ns - keep_messages_ns, batch)
    messages, deliveries, contents = _delete_messages(tx, old) if old else (0, 0, 0)
    (free,) = tx.db.execute("PRAGMA freelist_count").fetchone()
    if free > _SPARE_PAGES:
        tx.db.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
    return Pruned(events, messages, deliveries, contents, keys, lifted)


def _old_messages(tx: Tx, before_ns: int, batch: int) -> list[tuple[int, int]]:
    """Ids and contents of what was accepted and settled before that time.

    Passes over what is unfinished and that old: little, with any sane setting.
    """
    return tx.db.execute(
        "SELECT id, content FROM message AS m"
        " WHERE accepted_ns < :before AND NOT EXISTS"
        " (SELECT 1 FROM delivery AS d WHERE d.message = m.id"
        "  AND (d.settled_ns IS NULL OR d.settled_ns >= :before))"
        " ORDER BY accepted_ns LIMIT :batch",
        {"before": before_ns, "batch": batch},
    ).fetchall()


def _delete_messages(tx: Tx, old: list[tuple[int, int]]) -> tuple[int, int, int]:
    messages = msgspec.json.encode([id_ for id_, _ in old]).decode()
    contents = msgspec.json.encode([content for _, content in old]).decode()
    tx.db.execute(
        "DELETE FROM attempt WHERE delivery IN (SELECT id FROM delivery"
        " WHERE message IN (SELECT value FROM json_each(?)))",
        (messages,),
    )
    tx.db.execute(
        "DELETE FROM engagement WHERE delivery IN (SELECT id FROM delivery"
        " WHERE message IN (SELECT value FROM json_each(?)))",
        (messages,),
    )
    deliveries = tx.db.execute(
        "DELETE FROM delivery WHERE message IN (SELECT value FROM json_each(?))",
        (messages,),
    ).rowcount
    tx.db.execute(
        "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))", (messages,)
    )
    unused = tx.db.execute(
        "DELETE FROM content WHERE id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM message WHERE message.content = content.id)",
        (contents,),
    ).rowcount
    return len(old), deliveries, unused
