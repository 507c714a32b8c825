"""Accounts, their sub-accounts, and who may log in to the dashboard."""

from dataclasses import dataclass, field
from uuid import UUID

from appliance.core.credential import SubAccount
from appliance.core.ids import AccountId, SubAccountId, uuid7
from appliance.store.transaction import Tx, View, to_uuid


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may log in to the dashboard."""

    uuid: UUID
    account: AccountId
    name: str
    password_hash: str = field(repr=False)


def create_account(
    tx: Tx, name: str, user: str, password_hash: str, now_ns: int
) -> SubAccount | None:
    """The first sub-account, ``default``, of a new account with one dashboard user.

    None if an account or a user of that name exists.
    """
    taken = tx.db.execute(
        "SELECT 1 FROM account WHERE name = ? UNION SELECT 1 FROM user WHERE name = ?",
        (name, user),
    ).fetchone()
    if taken:
        return None
    tx.configuration_changed()
    account = tx.db.execute(
        "INSERT INTO account (uuid, name, created_ns) VALUES (?, ?, ?)",
        (uuid7().bytes, name, now_ns),
    ).lastrowid
    tx.db.execute(
        "INSERT INTO user (uuid, account, name, password_hash, created_ns)"
        " VALUES (?, ?, ?, ?, ?)",
        (uuid7().bytes, account, user, password_hash, now_ns),
    )
    tx.db.execute(
        "INSERT INTO sub_account (uuid, account, name, created_ns)"
        " VALUES (?, ?, 'default', ?)",
        (uuid7().bytes, account, now_ns),
    )
    return list_sub_accounts(tx)[-1]


def has_account(view: View) -> bool:
    """True once ``create_account`` has run."""
    return view.db.execute("SELECT 1 FROM account").fetchone() is not None


def list_sub_accounts(view: View) -> list[SubAccount]:
    """All sub-accounts, oldest first."""
    rows = view.db.execute(
        "SELECT id, uuid, account, name, blocked FROM sub_account ORDER BY id"
    )
    return [
        SubAccount(
            SubAccountId(id_), to_uuid(uuid), AccountId(account), name, bool(blocked)
        )
        for id_, uuid, account, name, blocked in rows
    ]


def find_user(view: View, name: str) -> User | None:
    """The dashboard user of that name."""
    row = view.db.execute(
        "SELECT uuid, account, name, password_hash FROM user WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    uuid, account, name, password_hash = row
    return User(to_uuid(uuid), AccountId(account), name, password_hash)
