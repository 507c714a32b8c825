"""Sender domains with their DKIM keys and DNS records.

How records come to be verified is `domain_checks`' part, how keys are replaced
`domain_keys`'.
"""

from collections.abc import Sequence

from appliance.core.domain import DkimKey, Record, SenderDomain
from appliance.core.ids import DomainId, SubAccountId, uuid7
from appliance.core.submission import Tracking
from appliance.store.domain_rows import (
    insert_keys,
    load_keys,
    load_records,
    put_records,
)
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
    insert_keys(tx, id_, uuid, keys)
    put_records(tx, id_, records)
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


def set_tracking(tx: Tx, domain: DomainId, *, opens: bool, clicks: bool) -> None:
    """Have mail that says nothing about it tracked so, or not."""
    tx.configuration_changed()
    tx.db.execute(
        "UPDATE sender_domain SET track_opens = ?, track_clicks = ? WHERE id = ?",
        (opens, clicks, domain),
    )


def _load(view: View, only: int | None) -> list[SenderDomain]:
    """All domains by name, or the one with that id; three statements either way."""
    domains = view.db.execute(
        "SELECT id, uuid, sub_account, name, created_ns, track_opens, track_clicks"
        " FROM sender_domain WHERE :only IS NULL OR id = :only ORDER BY name, id",
        {"only": only},
    ).fetchall()
    uuids = {row[0]: to_uuid(row[1]) for row in domains}
    keys, records = load_keys(view, only, uuids), load_records(view, only)
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
