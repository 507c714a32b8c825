"""Forgetting what is old, a little at a time; never mail that is not finished."""

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from appliance.store.deferrals import forget_delays
from appliance.store.event_retention import Keep, prune_events
from appliance.store.idempotency import forget_keys
from appliance.store.login_blocks import forget_login_blocks
from appliance.store.stats import count_next, counted_number
from appliance.store.suppressions import expire
from appliance.store.transaction import Tx
from appliance.store.webhook_tries import told_number

_SPARE_PAGES = 2_500  # 10 MB of free pages are kept for reuse
_PAGES_AT_ONCE = 500  # moved in a few milliseconds
NEVER_NS = 2**62

Place: TypeAlias = tuple[int, int]  # when a message was accepted, and its id


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows one pass removed, and whether there may be more that is old."""

    events: int
    messages: int
    deliveries: int
    contents: int
    keys: int = 0
    suppressions: int = 0
    more: bool = False


def prune(
    tx: Tx,
    now_ns: int,
    *,
    keep_events_ns: int,
    keep_messages_ns: int,
    keep_keys_ns: int,
    keep_untold_ns: int = 0,
    keep_engagement_ns: int = NEVER_NS,
    batch: int,
) -> Pruned:
    """Remove at most ``batch`` old events, idempotency keys and finished messages.

    A message is old when its last delivery was settled that long ago. As many
    suppressions that have ended are lifted. Pages that are free in great number go
    back to the file system by and by. Events that an endpoint has not been told yet
    are kept ``keep_untold_ns`` at least. Opens and clicks may go sooner than other
    events, and take the longer to be found.
    """
    count_next(tx, batch)  # what is not counted stays: store/stats.py
    # Each look is at the oldest rows only, however many there are behind them.
    keep = Keep(
        events_ns=now_ns - keep_events_ns,
        engagement_ns=now_ns - min(keep_engagement_ns, keep_events_ns),
        untold_ns=now_ns - keep_untold_ns,
        told=told_number(tx),
        counted=counted_number(tx),
    )
    events, more = prune_events(tx, keep, batch)
    keys = forget_keys(tx, now_ns - keep_keys_ns, batch)
    forget_login_blocks(tx, now_ns)
    forget_delays(tx, now_ns, batch)
    lifted = expire(tx, now_ns, batch)
    old = _old_messages(tx, now_ns - keep_messages_ns, batch)
    messages, deliveries, contents = _delete_messages(tx, old) if old else (0, 0, 0)
    more = _give_back(tx) or more or batch in (keys, messages, lifted)
    return Pruned(events, messages, deliveries, contents, keys, lifted, more)


def prune_bodies(
    tx: Tx, before_ns: int, after: Place, batch: int
) -> tuple[int, Place | None]:
    """Empty the contents of finished messages that were settled before that time.

    Looks at ``batch`` messages behind ``after``; the place to go on from, None if
    there is no older message left to look at. A content that a younger or unfinished
    message holds too stays.
    """
    rows = tx.db.execute(
        "SELECT accepted_ns, id, content FROM message"
        " WHERE (accepted_ns, id) > (?, ?) AND accepted_ns < ?"
        " ORDER BY accepted_ns, id LIMIT ?",
        (*after, before_ns, batch),
    ).fetchall()
    emptied = tx.db.execute(
        "UPDATE content SET data = x'' WHERE id IN (SELECT value FROM json_each(:ids))"
        " AND length(data) > 0 AND NOT EXISTS"
        " (SELECT 1 FROM message AS m CROSS JOIN delivery AS d ON d.message = m.id"
        "  WHERE m.content = content.id"
        "  AND (d.settled_ns IS NULL OR d.settled_ns >= :before))",
        {"ids": _json([row[2] for row in rows]), "before": before_ns},
    ).rowcount
    return emptied, (rows[-1][:2] if len(rows) == batch else None)


def _give_back(tx: Tx) -> bool:
    """Let some free pages go back to the file system; true if there are more."""
    (free,) = tx.db.execute("PRAGMA freelist_count").fetchone()
    pages = max(0, min(free - _SPARE_PAGES, _PAGES_AT_ONCE))
    if pages:
        tx.db.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    return bool(pages == _PAGES_AT_ONCE)


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()


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
    messages = _json([id_ for id_, _ in old])
    contents = _json([content for _, content in old])
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
