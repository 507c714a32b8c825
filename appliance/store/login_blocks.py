"""Origins that may not log in for a while, because their logins failed too often.

They are rows, so that a restart forgives nothing and an operator can lift them.
A row outlives its block by a day: who is blocked again by then is so for twice
as long. What an origin is decides ``core.origin``.
"""

from dataclasses import dataclass

from appliance.store.transaction import Tx, View

LONGEST_NS = 86_400 * 10**9  # also how long a block that ended is remembered
MAX_ROWS = 10_000  # memory holds all of them; those that end first make room


@dataclass(frozen=True, slots=True)
class LoginBlock:
    """One origin, since when and until when; ``blocks`` is how often in a row."""

    origin: str
    blocks: int
    blocked_ns: int
    until_ns: int


def block_login(
    tx: Tx, origin: str, now_ns: int, first_ns: int
) -> tuple[LoginBlock, int]:
    """The block of an origin, and the directory's generation that will have it.

    ``first_ns`` is how long the first one lasts. One that lasts still is not
    made longer.
    """
    (configuration,) = tx.db.execute("SELECT configuration FROM meta").fetchone()
    earlier = _find(tx, origin)
    if earlier is not None and earlier.until_ns > now_ns:
        return earlier, configuration
    tx.configuration_changed()
    blocks = 1 if earlier is None else earlier.blocks + 1
    lasts_ns = min(first_ns << min(blocks - 1, 64), LONGEST_NS)
    block = LoginBlock(origin, blocks, now_ns, now_ns + lasts_ns)
    tx.db.execute(
        "INSERT OR REPLACE INTO login_block (address, blocks, blocked_ns, until_ns)"
        " VALUES (?, ?, ?, ?)",
        (origin, blocks, now_ns, block.until_ns),
    )
    _make_room(tx, origin)
    return block, configuration + 1


def lift_login_block(tx: Tx, origin: str) -> bool:
    """True if the origin was known; it may log in, and starts anew."""
    tx.configuration_changed()
    done = tx.db.execute("DELETE FROM login_block WHERE address = ?", (origin,))
    return done.rowcount == 1


def list_login_blocks(view: View) -> list[LoginBlock]:
    """All that are remembered, those that last longest first."""
    rows = view.db.execute(
        "SELECT address, blocks, blocked_ns, until_ns FROM login_block"
        " ORDER BY until_ns DESC, address"
    )
    return [LoginBlock(*row) for row in rows]


def forget_login_blocks(tx: Tx, now_ns: int) -> int:
    """How many were forgotten, having ended a day ago."""
    done = tx.db.execute(
        "DELETE FROM login_block WHERE until_ns < ?", (now_ns - LONGEST_NS,)
    )
    if done.rowcount:
        tx.configuration_changed()
    return done.rowcount


def _find(tx: Tx, origin: str) -> LoginBlock | None:
    row = tx.db.execute(
        "SELECT address, blocks, blocked_ns, until_ns FROM login_block"
        " WHERE address = ?",
        (origin,),
    ).fetchone()
    return None if row is None else LoginBlock(*row)


def _make_room(tx: Tx, newest: str) -> None:
    (count,) = tx.db.execute("SELECT count(*) FROM login_block").fetchone()
    if count > MAX_ROWS:
        tx.db.execute(
            "DELETE FROM login_block WHERE address IN (SELECT address FROM login_block"
            " WHERE address <> ? ORDER BY until_ns LIMIT ?)",
            (newest, count - MAX_ROWS),
        )
