"""Keys and SMTP passwords, known by their hashes."""

from dataclasses import dataclass, field
from ipaddress import ip_network
from uuid import UUID

import msgspec

from appliance.core.credential import Credential, Network, Scope
from appliance.core.ids import AccountId, CredentialId, SubAccountId, uuid7
from appliance.store.transaction import Tx, View, to_uuid

_decode_list = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A key about to be stored; ``core.credential`` makes text, hash and hint."""

    account: AccountId
    sub_account: SubAccountId | None
    dialect: str
    scope: Scope
    name: str
    hash: bytes = field(repr=False)
    hint: str
    created_ns: int
    allowed_domains: frozenset[str] = frozenset()
    username: str = ""
    allowed_networks: tuple[Network, ...] = ()


def add_credential(tx: Tx, new: NewCredential) -> Credential | None:
    """The credential as stored, or None if another good one has its user name."""
    if new.username and _is_taken(tx, new.username):
        return None
    tx.configuration_changed()
    uuid = uuid7()
    id_ = tx.db.execute(
        "INSERT INTO credential (uuid, hash, account, sub_account, dialect, scope,"
        " name, hint, allowed_domains, created_ns, username, allowed_networks)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            uuid.bytes,
            new.hash,
            new.account,
            new.sub_account,
            new.dialect,
            new.scope.value,
            new.name,
            new.hint,
            msgspec.json.encode(sorted(new.allowed_domains)).decode(),
            new.created_ns,
            new.username,
            msgspec.json.encode(list(map(str, new.allowed_networks))).decode(),
        ),
    ).lastrowid
    assert id_ is not None
    return Credential(
        id=CredentialId(id_),
        uuid=uuid,
        account=new.account,
        sub_account=new.sub_account,
        dialect=new.dialect,
        scope=new.scope,
        name=new.name,
        hint=new.hint,
        created_ns=new.created_ns,
        allowed_domains=new.allowed_domains,
        username=new.username,
        allowed_networks=new.allowed_networks,
    )


def _is_taken(tx: Tx, username: str) -> bool:
    found = tx.db.execute(
        "SELECT 1 FROM credential WHERE username = ? AND revoked_ns = 0", (username,)
    )
    return found.fetchone() is not None


def revoke_credential(tx: Tx, uuid: UUID, now_ns: int) -> bool:
    """True if the credential was there; it counts no longer, since when is kept."""
    tx.configuration_changed()
    done = tx.db.execute(
        "UPDATE credential SET revoked_ns = iif(revoked_ns = 0, ?, revoked_ns)"
        " WHERE uuid = ?",
        (now_ns, uuid.bytes),
    )
    return done.rowcount == 1


def list_credentials(view: View) -> list[Credential]:
    """All credentials, revoked ones too, oldest first."""
    return [one for _, one in hashed_credentials(view)]


def hashed_credentials(view: View) -> list[tuple[bytes, Credential]]:
    """All credentials behind their hashes, oldest first."""
    rows = view.db.execute(
        "SELECT hash, id, uuid, account, sub_account, dialect, scope, name, hint,"
        " created_ns, allowed_domains, revoked_ns, username, allowed_networks"
        " FROM credential ORDER BY id"
    )
    return [
        (
            hash_,
            Credential(
                id=CredentialId(id_),
                uuid=to_uuid(uuid),
                account=AccountId(account),
                sub_account=None if sub is None else SubAccountId(sub),
                dialect=dialect,
                scope=Scope(scope),
                name=name,
                hint=hint,
                created_ns=created_ns,
                allowed_domains=frozenset(_decode_list(allowed)),
                revoked_ns=revoked_ns,
                username=username,
                allowed_networks=tuple(map(ip_network, _decode_list(networks))),
            ),
        )
        for (
            hash_,
            id_,
            uuid,
            account,
            sub,
            dialect,
            scope,
            name,
            hint,
            created_ns,
            allowed,
            revoked_ns,
            username,
            networks,
        ) in rows
    ]
