"""Upstream servers; their passwords are sealed, of their event keys there is a hash."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from appliance.core.credential import hash_key, hint_of
from appliance.core.ids import ProviderId, uuid7
from appliance.core.provider import (
    AuthMethod,
    DeliveredBy,
    Kind,
    NewProvider,
    Provider,
    Security,
)
from appliance.core.throttle import NO_LIMITS, Limits
from appliance.store.delivered_by import set_delivered_by
from appliance.store.limits import load_limits, save_limits
from appliance.store.transaction import Tx, View, to_uuid

__all__ = ["NewProvider"]  # where most who add a provider look for it
MAX_HURRIED = 1_000  # deliveries: few were under way when it went down


@dataclass(frozen=True, slots=True)
class ProviderRemoval:
    """What became of the wish to remove a provider; ``pools`` still use it."""

    found: bool
    pools: tuple[str, ...] = ()

    @property
    def removed(self) -> bool:
        """True if the provider is gone."""
        return self.found and not self.pools


def add_provider(tx: Tx, new: NewProvider, *, event_key: str = "") -> Provider | None:
    """The provider as stored, or None if the name is taken.

    ``event_key`` is what its log agent will report with; only a hash of it is kept.
    """
    if _is_taken(tx, new.name, None):
        return None
    tx.configuration_changed()
    uuid = uuid7()
    id_ = tx.db.execute(
        "INSERT INTO provider (uuid, name, kind, host, port, security, username,"
        " password_sealed, auth_method, verify_certificate, max_connections,"
        " retry_plan, created_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (uuid.bytes, *_settings(tx, uuid, new), time.time_ns()),
    ).lastrowid
    assert id_ is not None
    _note_delivered_by(tx, ProviderId(id_), new, None)
    save_limits(tx, ProviderId(id_), new.limits)
    if event_key:
        set_event_key(tx, ProviderId(id_), event_key)
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
    _note_delivered_by(tx, provider, new, old)
    if new.limits != old.limits:
        save_limits(tx, provider, new.limits)
    return get_provider(tx, provider)


def set_event_key(tx: Tx, provider: ProviderId, key: str) -> bool:
    """True if the provider is there; from now on its agent reports with ``key``."""
    tx.configuration_changed()
    done = tx.db.execute(
        "UPDATE provider SET event_key_hash = ?, event_key_hint = ? WHERE id = ?",
        (hash_key(key), hint_of(key), provider),
    )
    return done.rowcount == 1


def find_by_event_key(view: View, key: str) -> ProviderId | None:
    """The provider whose agent reports with ``key``."""
    row = view.db.execute(
        "SELECT id FROM provider WHERE event_key_hash = ?", (hash_key(key),)
    ).fetchone()
    return None if row is None else ProviderId(row[0])


def event_key_hashes(view: View) -> dict[bytes, ProviderId]:
    """Of all providers whose agents may report, by the hash of the key."""
    rows = view.db.execute(
        "SELECT event_key_hash, id FROM provider WHERE event_key_hash IS NOT NULL"
    )
    return {hash_: ProviderId(id_) for hash_, id_ in rows}


def note_passed_test(tx: Tx, provider: ProviderId, now_ns: int) -> None:
    """Keep that the provider took a test message: if it was down, it is tried now.

    Mail that waits for it to be up is due, as far as it can be found at once.
    """
    tx.configuration_changed()
    tx.db.execute("UPDATE provider SET tested_ns = ? WHERE id = ?", (now_ns, provider))
    tx.db.execute(
        "UPDATE provider_health SET probe_ns = min(probe_ns, ?)"
        " WHERE provider = ? AND probe_ns IS NOT NULL",
        (now_ns, provider),
    )
    tx.db.execute(
        "UPDATE delivery SET due_ns = :now WHERE id IN (SELECT id FROM delivery"
        " WHERE due_ns IS NOT NULL AND state = 0 AND provider = :provider"
        "  AND queue IN (SELECT 0 UNION ALL SELECT -id FROM pool WHERE overflow = 1)"
        "  AND due_ns > :now AND waits_for <> '' LIMIT :most)",
        {"now": now_ns, "provider": provider, "most": MAX_HURRIED},
    )


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


def _note_delivered_by(
    tx: Tx, provider: ProviderId, new: NewProvider, old: NewProvider | None
) -> None:
    before = DeliveredBy.AUTO if old is None else old.delivered_by
    if new.delivered_by is not before:
        set_delivered_by(tx, provider, new.delivered_by, time.time_ns())


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
    limits = load_limits(view, only)
    rows = view.db.execute(
        "SELECT id, uuid, name, kind, host, port, security, username, password_sealed,"
        " auth_method, verify_certificate, max_connections, retry_plan,"
        " event_key_hint, tested_ns, created_ns, agent_last_seen_ns, delivered_by"
        " FROM provider WHERE :only IS NULL OR id = :only ORDER BY id",
        {"only": only},
    )
    return [_provider(view, row, limits.get(row[0], NO_LIMITS)) for row in rows]


def _provider(view: View, row: tuple[Any, ...], limits: Limits) -> Provider:
    uuid = to_uuid(row[1])
    return Provider(
        id=ProviderId(row[0]),
        uuid=uuid,
        name=row[2],
        kind=Kind(row[3]),
        host=row[4],
        port=row[5],
        security=Security(row[6]),
        username=row[7],
        password=view.sealer.open(row[8], _purpose(uuid)).decode(),
        auth_method=AuthMethod(row[9]),
        verify_certificate=bool(row[10]),
        max_connections=row[11],
        retry_plan=row[12],
        limits=limits,
        event_key_hint=row[13],
        tested_ns=row[14],
        created_ns=row[15],
        agent_last_seen_ns=row[16],
        delivered_by=DeliveredBy(row[17]),
    )


def _purpose(provider: UUID) -> str:
    return f"provider {provider}"
