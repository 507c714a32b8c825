"""What looks at the DNS say of the records of sender domains, and what comes of it.

Memory elsewhere hears of a look only if it changed something: most do not, and
there are many.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from appliance.core.domain import Look, Proof, Purpose, Record
from appliance.core.ids import DomainId
from appliance.store.domain_keys import KeyName, promote
from appliance.store.domain_rows import RECORDS, put_records, to_record
from appliance.store.transaction import Tx, View

SOON_NS = 600 * 1_000_000_000
DAILY_NS = 86_400 * 1_000_000_000
_PAUSES = {"soon": SOON_NS, "daily": DAILY_NS}
# When each record is to be looked at next: after nine tenths of its time or a little
# later, domain by domain. One that was never looked at is given its time to be
# published: a resolver remembers for long what it did not find. A clock that went
# back makes a look due, not one in the far future.
_DUE = """
    WITH known AS (
        SELECT r.domain, r.purpose, r.selector, d.name,
            iif(r.proof = 'none', :soon, :daily) AS pause_ns,
            iif(r.checked_ns > 0, r.checked_ns,
                max(d.created_ns, coalesce(k.since_ns, 0))) AS last_ns
        FROM domain_record AS r
        JOIN sender_domain AS d ON d.id = r.domain
        LEFT JOIN dkim_key AS k USING (domain, selector)
        WHERE coalesce(k.stage, '') <> 'retired'
    ), due AS (
        SELECT *, iif(last_ns > :now, :now,
            last_ns + pause_ns / 1000 * (900 + domain * 7919 % 101)) AS due_ns
        FROM known
    )
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A record that is to be looked at, and the name of its domain."""

    domain: DomainId
    name: str
    record: Record


@dataclass(frozen=True, slots=True)
class Noted:
    """What looks changed: records before and after, and keys that took over."""

    records: tuple[tuple[DomainId, Record, Record], ...]
    promoted: tuple[KeyName, ...]


def due_records(view: View, now_ns: int, limit: int) -> list[Due]:
    """Records whose time for a look has come, those that wait longest first."""
    rows = view.db.execute(
        _DUE + "SELECT domain, name, purpose, selector FROM due WHERE due_ns <= :now"  # noqa: S608 - our own text
        " ORDER BY due_ns, domain, purpose, selector LIMIT :limit",
        {"now": now_ns, "limit": limit, **_PAUSES},
    ).fetchall()
    return [
        Due(DomainId(domain), name, record)
        for domain, name, purpose, selector in rows
        if (record := _record(view, domain, purpose, selector)) is not None
    ]


def next_look_ns(view: View, now_ns: int) -> int | None:
    """When the next record is to be looked at, None if there is none."""
    (due_ns,) = view.db.execute(
        _DUE + "SELECT min(due_ns) FROM due",  # noqa: S608 - our own text
        {"now": now_ns, **_PAUSES},
    ).fetchone()
    return None if due_ns is None else int(due_ns)


def note_looks(tx: Tx, looks: Sequence[tuple[DomainId, Look]]) -> Noted:
    """Take in what was seen; keys whose records were seen take over.

    A record that is gone by now is passed over.
    """
    changed: list[tuple[DomainId, Record, Record]] = []
    promoted: list[KeyName] = []
    for domain, look in looks:
        before = _record(tx, domain, look.purpose.value, look.selector)
        if before is None:
            continue
        after = before.after(look)
        put_records(tx, domain, [after])
        if (after.proof, after.misses) != (before.proof, before.misses):
            changed.append((domain, before, after))
        if after.verified:
            promoted += promote(tx, domain, look.at_ns)
    if promoted or any(old.proof is not new.proof for _, old, new in changed):
        tx.configuration_changed()
    return Noted(tuple(changed), tuple(promoted))


def trust_domain(
    tx: Tx, domain: DomainId, purposes: Collection[Purpose], now_ns: int
) -> int:
    """How many records now count as verified on the operator's word.

    So does that of a new key, which takes over.
    """
    tx.configuration_changed()
    done = tx.db.executemany(
        "UPDATE domain_record SET proof = ? WHERE domain = ? AND purpose = ?",
        [(Proof.OPERATOR.value, domain, one.value) for one in purposes],
    )
    promote(tx, domain, now_ns)
    return done.rowcount


def _record(view: View, domain: int, purpose: str, selector: str) -> Record | None:
    row = view.db.execute(
        f"{RECORDS} WHERE r.domain = ? AND r.purpose = ? AND r.selector = ?",
        (domain, purpose, selector),
    ).fetchone()
    return to_record(row[1:]) if row else None
