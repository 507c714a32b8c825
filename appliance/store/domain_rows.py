"""The keys (private parts sealed) and DNS records of sender domains, as rows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from appliance.core.domain import Algorithm, DkimKey, Proof, Purpose, Record, Stage
from appliance.store.transaction import Tx, View

# A record of no key, or whose key is not known, counts as that of one that signs.
RECORDS = (
    "SELECT r.domain, r.purpose, r.host, r.type, r.value, r.proof, r.checked_ns,"
    " r.failure, r.selector, coalesce(k.stage, 'active'), r.misses, r.missed_ns"
    " FROM domain_record AS r LEFT JOIN dkim_key AS k USING (domain, selector)"
)


def insert_keys(tx: Tx, domain: int, uuid: UUID, keys: Iterable[DkimKey]) -> None:
    """Store keys of a domain that are not there yet."""
    tx.db.executemany(
        "INSERT INTO dkim_key (domain, selector, algorithm, public, private_sealed,"
        " stage, since_ns) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                domain,
                key.selector,
                key.algorithm.value,
                key.public,
                tx.sealer.seal(key.private_pem, _seal_of(uuid, key.selector)),
                key.stage.value,
                key.since_ns,
            )
            for key in keys
        ],
    )


def load_keys(
    view: View, only: int | None, uuids: dict[int, UUID]
) -> defaultdict[int, list[DkimKey]]:
    """The keys of each domain, or of the one with that id, by selector."""
    found: defaultdict[int, list[DkimKey]] = defaultdict(list)
    for id_, selector, algorithm, public, sealed, stage, since_ns in view.db.execute(
        "SELECT domain, selector, algorithm, public, private_sealed, stage, since_ns"
        " FROM dkim_key WHERE :only IS NULL OR domain = :only",
        {"only": only},
    ):
        private = view.sealer.open(sealed, _seal_of(uuids[id_], selector))
        key = DkimKey(
            selector, Algorithm(algorithm), public, private, Stage(stage), since_ns
        )
        found[id_].append(key)
    return found


def put_records(tx: Tx, domain: int, records: Iterable[Record]) -> None:
    """Store records of a domain, in the place of what was known of them."""
    tx.db.executemany(
        "INSERT OR REPLACE INTO domain_record (domain, purpose, selector, host, type,"
        " value, proof, checked_ns, failure, misses, missed_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                domain,
                one.purpose.value,
                one.selector,
                one.host,
                one.type,
                one.value,
                one.proof.value,
                one.checked_ns,
                one.failure,
                one.misses,
                one.missed_ns,
            )
            for one in records
        ],
    )


def load_records(view: View, only: int | None) -> defaultdict[int, list[Record]]:
    """The records of each domain, or of the one with that id."""
    found: defaultdict[int, list[Record]] = defaultdict(list)
    for id_, *columns in view.db.execute(
        f"{RECORDS} WHERE :only IS NULL OR r.domain = :only", {"only": only}
    ):
        found[id_].append(to_record(columns))
    return found


def to_record(columns: Sequence[Any]) -> Record:
    """The record in a row of ``RECORDS``, without its domain."""
    purpose, host, type_, value, proof, checked_ns, failure, *rest = columns
    selector, stage, misses, missed_ns = rest
    return Record(
        Purpose(purpose),
        host,
        type_,
        value,
        Proof(proof),
        checked_ns,
        failure,
        selector,
        Stage(stage),
        misses,
        missed_ns,
    )


def _seal_of(domain: UUID, selector: str) -> str:
    return f"dkim {domain} {selector}"
