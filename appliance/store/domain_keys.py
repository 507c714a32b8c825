"""DKIM keys that are replaced: one waits for its record, one signs, old ones rest."""

from dataclasses import dataclass
from uuid import UUID

from appliance.core.domain import KEEP_RETIRED_NS, DkimKey, Record
from appliance.core.ids import DomainId
from appliance.store.domain_rows import insert_keys, put_records
from appliance.store.transaction import Tx, View


@dataclass(frozen=True, slots=True)
class KeyName:
    """A key by the domain it is of and its selector."""

    domain: DomainId
    name: str
    selector: str


def add_next_key(tx: Tx, domain: DomainId, key: DkimKey, record: Record) -> bool:
    """True if the key, which is at NEXT, now waits for its record.

    False if the domain is gone, has a key under that selector, or has one of that
    algorithm that waits already.
    """
    row = tx.db.execute(
        "SELECT uuid FROM sender_domain WHERE id = ? AND NOT EXISTS (SELECT 1 FROM"
        " dkim_key WHERE domain = sender_domain.id AND (selector = ?"
        " OR stage = 'next' AND algorithm = ?))",
        (domain, key.selector, key.algorithm.value),
    ).fetchone()
    if row is None:
        return False
    tx.configuration_changed()
    insert_keys(tx, domain, UUID(bytes=row[0]), [key])
    put_records(tx, domain, [record])
    return True


def promote(tx: Tx, domain: DomainId, now_ns: int) -> list[KeyName]:
    """The keys that sign from now on, as their records are verified; the old rest."""
    ready = tx.db.execute(
        "SELECT d.name, k.selector, k.algorithm FROM dkim_key AS k"
        " JOIN sender_domain AS d ON d.id = k.domain"
        " JOIN domain_record AS r USING (domain, selector)"
        " WHERE k.domain = ? AND k.stage = 'next' AND r.proof <> 'none'",
        (domain,),
    ).fetchall()
    for _, selector, algorithm in ready:
        tx.configuration_changed()
        tx.db.execute(
            "UPDATE dkim_key SET since_ns = ?, stage = iif(selector = ?, 'active',"
            " 'retired') WHERE domain = ? AND algorithm = ?"
            " AND (selector = ? OR stage = 'active')",
            (now_ns, selector, domain, algorithm, selector),
        )
    return [KeyName(domain, name, selector) for name, selector, _ in ready]


def outlived_keys(view: View, now_ns: int) -> list[KeyName]:
    """Retired keys whose records need not be kept any longer."""
    rows = view.db.execute(
        "SELECT d.id, d.name, k.selector FROM dkim_key AS k"
        " JOIN sender_domain AS d ON d.id = k.domain"
        " WHERE k.stage = 'retired' AND k.since_ns <= ?",
        (now_ns - KEEP_RETIRED_NS,),
    )
    return [KeyName(DomainId(id_), name, selector) for id_, name, selector in rows]


def remove_idle_key(tx: Tx, domain: DomainId, selector: str) -> bool:
    """True if the key is gone for good, and its record from the list.

    False if it is not there, or signs.
    """
    done = tx.db.execute(
        "DELETE FROM dkim_key WHERE domain = ? AND selector = ? AND stage <> 'active'",
        (domain, selector),
    )
    if not done.rowcount:
        return False
    tx.configuration_changed()
    tx.db.execute(
        "DELETE FROM domain_record WHERE domain = ? AND selector = ?",
        (domain, selector),
    )
    return True
