"""Sender domains with their DKIM keys (private parts sealed) and DNS records."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from appliance.core.domain import (
    Algorithm,
    DkimKey,
    Proof,
    Purpose,
    Record,
    SenderDomain,
)
from appliance.core.ids import DomainId, SubAccountId, uuid7
from appliance.core.submission import Tracking
from appliance.store.transaction import Tx, View, to_uuid


def add_domain(
    tx: Tx,
    sub_account: SubAccountId,
    name: str,
    *,
    keys: Sequence[DkimKey],
    records: Sequence[Record],
    now_ns: int,
) -> SenderDomain | None:
    """The domain as stored, or None if the sub-account has it already."""
    if get_domain(tx, sub_account, name) is not None:
        return None
    tx.configuration_changed()
    uuid = uuid7()
    id_ = tx.db.execute(
        "INSERT INTO sender_domain (uuid, sub_account, name, created_ns)"
        " VALUES (?, ?, ?, ?)",
        (uuid.bytes, sub_account, name, now_ns),
    ).lastrowid
    assert id_ is not None
    tx.db.executemany(
        "INSERT INTO dkim_key VALUES (?, ?, ?, ?, ?)",
        [
            (
                id_,
                key.selector,
                key.algorithm.value,
                key.public,
                tx.sealer.seal(key.private_pem, _purpose(uuid, key.selector)),
            )
            for key in keys
        ],
    )
    tx.db.executemany(
        "INSERT INTO domain_record VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                id_,
                one.purpose.value,
                one.host,
                one.type,
                one.value,
                one.proof.value,
                one.checked_ns,
                one.failure,
            )
            for one in records
        ],
    )
    return get_domain(tx, sub_account, name)


def get_domain(view: View, sub_account: SubAccountId, name: str) -> SenderDomain | None:
    """The sub-account's domain of that name."""
    row = view.db.execute(
        "SELECT id FROM sender_domain WHERE sub_account = ? AND name = ?",
        (sub_account, name),
    ).fetchone()
    return _load(view, row[0])[0] if row else None


def list_domains(view: View) -> list[SenderDomain]:
    """The domains of all sub-accounts, by name."""
    return _load(view, None)


def remove_domain(tx: Tx, domain: DomainId) -> bool:
    """True if the domain was there; its keys are gone for good.

    Mail from it that waits stays where it is, and is no longer of any domain.
    """
    tx.configuration_changed()
    done = tx.db.execute("DELETE FROM sender_domain WHERE id = ?", (domain,))
    return done.rowcount == 1


def set_record_proofs(tx: Tx, domain: DomainId, records: Sequence[Record]) -> None:
    """Keep what a look at the DNS found: proof, time and failure, by purpose.

    A record that the operator vouched for stays proven by that word.
    """
    tx.configuration_changed()
    tx.db.executemany(
        "UPDATE domain_record SET proof = iif(proof = 'operator', proof, ?),"
        " checked_ns = ?, failure = ? WHERE domain = ? AND purpose = ?",
        [
            (one.proof.value, one.checked_ns, one.failure, domain, one.purpose.value)
            for one in records
        ],
    )


def set_tracking(tx: Tx, domain: DomainId, *, opens: bool, clicks: bool) -> None:
    """Have mail that says nothing about it tracked so, or not."""
    tx.configuration_changed()
    tx.db.execute(
        "UPDATE sender_domain SET track_opens = ?, track_clicks = ? WHERE id = ?",
        (opens, clicks, domain),
    )


def trust_domain(tx: Tx, domain: DomainId, purposes: Collection[Purpose]) -> int:
    """How many records now count as verified on the operator's word."""
    tx.configuration_changed()
    done = tx.db.executemany(
        "UPDATE domain_record SET proof = ? WHERE domain = ? AND purpose = ?",
        [(Proof.OPERATOR.value, domain, one.value) for one in purposes],
    )
    return done.rowcount


def _load(view: View, only: int | None) -> list[SenderDomain]:
    """All domains by name, or the one with that id; three statements either way."""
    domains = view.db.execute(
        "SELECT id, uuid, sub_account, name, created_ns, track_opens, track_clicks"
        " FROM sender_domain WHERE :only IS NULL OR id = :only ORDER BY name, id",
        {"only": only},
    ).fetchall()
    uuids = {row[0]: to_uuid(row[1]) for row in domains}
    keys, records = _keys(view, only, uuids), _records(view, only)
    return [
        SenderDomain(
            id=DomainId(id_),
            uuid=uuids[id_],
            sub_account=SubAccountId(sub_account),
            name=name,
            created_ns=created_ns,
            keys=tuple(keys[id_]),
            records=tuple(records[id_]),
            tracking=Tracking(bool(opens), bool(clicks), unsubscribes=False),
        )
        for id_, _, sub_account, name, created_ns, opens, clicks in domains
    ]


def _keys(
    view: View, only: int | None, uuids: dict[int, UUID]
) -> defaultdict[int, list[DkimKey]]:
    found: defaultdict[int, list[DkimKey]] = defaultdict(list)
    for id_, selector, algorithm, public, sealed in view.db.execute(
        "SELECT domain, selector, algorithm, public, private_sealed FROM dkim_key"
        " WHERE :only IS NULL OR domain = :only",
        {"only": only},
    ):
        private = view.sealer.open(sealed, _purpose(uuids[id_], selector))
        key = DkimKey(selector, Algorithm(algorithm), public, private)
        found[id_].append(key)
    return found


def _records(view: View, only: int | None) -> defaultdict[int, list[Record]]:
    found: defaultdict[int, list[Record]] = defaultdict(list)
    for id_, purpose, host, type_, value, proof, checked_ns, failure in view.db.execute(
        "SELECT * FROM domain_record WHERE :only IS NULL OR domain = :only",
        {"only": only},
    ):
        found[id_].append(
            Record(
                Purpose(purpose), host, type_, value, Proof(proof), checked_ns, failure
            )
        )
    return found


def _purpose(domain: UUID, selector: str) -> str:
    return f"dkim {domain} {selector}"
