"""Upstream servers; their passwords are sealed."""

from dataclasses import dataclass, field
from uuid import UUID

from appliance.core.ids import ProviderId, uuid7
from appliance.core.provider import AuthMethod, Kind, Provider, Security
from appliance.store.transaction import Tx, View, to_uuid


@dataclass(frozen=True, slots=True)
class NewProvider:
    """The settings of a provider without ids; see ``core.provider.Provider``."""

    name: str
    kind: Kind = Kind.SMTP
    host: str = ""
    port: int = 587
    security: Security = Security.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    auth_method: AuthMethod = AuthMethod.AUTO
    verify_certificate: bool = True
    max_connections: int = 5
    retry_plan: str = ""


@dataclass(frozen=True, slots=True)
class ProviderRemoval:
    """What became of the wish to remove a provider; ``pools`` still use it."""

    found: bool
    pools: tuple[str, ...] = ()

    @property
    def removed(self) -> bool:
        """True if the provider is gone."""
        return self.found and not self.pools


def add_provider(tx: Tx, new: NewProvider) -> Provider | None:
    """The provider as stored, or None if the name is taken."""
    if _is_taken(tx, new.name, None):
        return None
    tx.configuration_changed()
    uuid = uuid7()
    id_ = tx.db.execute(
        "INSERT INTO provider (uuid, name, kind, host, port, security, username,"
        " password_sealed, auth_method, verify_certificate, max_connections,"
        " retry_plan) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (uuid.bytes, *_settings(tx, uuid, new)),
    ).lastrowid
    assert id_ is not None
    return get_provider(tx, ProviderId(id_))


def update_provider(tx: Tx, provider: ProviderId, new: NewProvider) -> Provider | None:
    """The provider with all its settings replaced.

    None if it is not there, or another one has that name.
    """
    old = get_provider(tx, provider)
    if old is None or _is_taken(tx, new.name, provider):
        return None
    tx.configuration_changed()
    tx.db.execute(
        "UPDATE provider SET name = ?, kind = ?, host = ?, port = ?, security = ?,"
        " username = ?, password_sealed = ?, auth_method = ?, verify_certificate = ?,"
        " max_connections = ?, retry_plan = ? WHERE id = ?",
        (*_settings(tx, old.uuid, new), provider),
    )
    return get_provider(tx, provider)


def get_provider(view: View, provider: ProviderId) -> Provider | None:
    """The provider of that id."""
    return next(iter(_load(view, provider)), None)


def list_providers(view: View) -> list[Provider]:
    """All providers, oldest first."""
    return _load(view, None)


def remove_provider(tx: Tx, provider: ProviderId) -> ProviderRemoval:
    """Remove a provider, unless a pool draws from it."""
    pools = tx.db.execute(
        "SELECT name FROM pool WHERE id IN"
        " (SELECT pool FROM pool_share WHERE provider = ?) ORDER BY name",
        (provider,),
    ).fetchall()
    if pools:
        return ProviderRemoval(found=True, pools=tuple(name for (name,) in pools))
    tx.configuration_changed()
    done = tx.db.execute("DELETE FROM provider WHERE id = ?", (provider,))
    return ProviderRemoval(found=done.rowcount == 1)


def _is_taken(view: View, name: str, by_other_than: ProviderId | None) -> bool:
    row = view.db.execute("SELECT id FROM provider WHERE name = ?", (name,)).fetchone()
    return row is not None and row[0] != by_other_than


def _settings(tx: Tx, uuid: UUID, new: NewProvider) -> tuple[str | int | bytes, ...]:
    return (
        new.name,
        new.kind.value,
        new.host,
        new.port,
        new.security.value,
        new.username,
        tx.sealer.seal(new.password.encode(), _purpose(uuid)),
        new.auth_method.value,
        new.verify_certificate,
        new.max_connections,
        new.retry_plan,
    )


def _load(view: View, only: ProviderId | None) -> list[Provider]:
    rows = view.db.execute(
        "SELECT id, uuid, name, kind, host, port, security, username, password_sealed,"
        " auth_method, verify_certificate, max_connections, retry_plan"
        " FROM provider WHERE :only IS NULL OR id = :only ORDER BY id",
        {"only": only},
    )
    return [
        Provider(
            id=ProviderId(id_),
            uuid=to_uuid(uuid),
            name=name,
            kind=Kind(kind),
            host=host,
            port=port,
            security=Security(security),
            username=username,
            password=view.sealer.open(sealed, _purpose(to_uuid(uuid))).decode(),
            auth_method=AuthMethod(method),
            verify_certificate=bool(verify),
            max_connections=connections,
            retry_plan=plan,
        )
        for (
            id_,
            uuid,
            name,
            kind,
            host,
            port,
            security,
            username,
            sealed,
            method,
            verify,
            connections,
            plan,
        ) in rows
    ]


def _purpose(provider: UUID) -> str:
    return f"provider {provider}"
