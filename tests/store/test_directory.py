from collections.abc import Callable

import pytest

from appliance.core.credential import hash_key
from appliance.core.domain import Purpose
from appliance.core.message import Request
from appliance.core.pool import Pool, by_shares
from appliance.store.credentials import revoke_credential
from appliance.store.database import Store
from appliance.store.directory import load_directory
from appliance.store.domain_checks import trust_domain
from appliance.store.domains import remove_domain, set_tracking
from appliance.store.messages import accept
from appliance.store.pools import add_pool, remove_pool, set_default_pool
from appliance.store.providers import (
    NewProvider,
    add_provider,
    remove_provider,
    update_provider,
)
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, Seeded


async def test_the_directory_holds_all_configuration(
    store: Store, seeded: Seeded
) -> None:
    """Each kind of row is found the way the walk looks for it."""
    directory = await store.read(load_directory)
    assert directory.sub_accounts == {seeded.sub_account.id: seeded.sub_account}
    assert directory.credentials == {hash_key(seeded.key): seeded.credential}
    name = (seeded.sub_account.id, seeded.domain.name)
    assert directory.domains == {name: seeded.domain}
    assert directory.domains_by_id == {seeded.domain.id: seeded.domain}
    assert directory.providers == {seeded.provider.id: seeded.provider}
    assert directory.default_pool == directory.pools["main"]
    assert directory.default_pool is not None
    assert directory.default_pool.id == seeded.pool.id
    assert directory.generation == (await store.pulse()).configuration


async def test_an_empty_store_has_a_directory(store: Store) -> None:
    """Nothing is configured, and that is no error."""
    directory = await store.read(load_directory)
    assert directory.default_pool is None
    assert not directory.credentials


async def test_a_revoked_credential_is_not_in_it(store: Store, seeded: Seeded) -> None:
    """What is not there opens no door."""
    await store.write(revoke_credential, seeded.credential.uuid, NOW_NS)
    assert (await store.read(load_directory)).credentials == {}


@pytest.mark.parametrize("what", range(9))
async def test_every_change_of_configuration_is_felt(
    store: Store, seeded: Seeded, what: int
) -> None:
    """The generation grows in the transaction of the change, so memory reloads."""

    def change(tx: Tx) -> None:
        other = (
            add_pool(tx, by_shares("o", [(seeded.provider.id, 100)]))
            if what > 6
            else None
        )
        changes: list[Callable[[], object]] = [
            lambda: revoke_credential(tx, seeded.credential.uuid, NOW_NS),
            lambda: trust_domain(tx, seeded.domain.id, [Purpose.DKIM], NOW_NS),
            lambda: set_tracking(tx, seeded.domain.id, opens=True, clicks=True),
            lambda: remove_domain(tx, seeded.domain.id),
            lambda: update_provider(tx, seeded.provider.id, NewProvider("renamed")),
            lambda: add_provider(tx, NewProvider("new")),
            lambda: add_pool(tx, by_shares("new", [(seeded.provider.id, 100)])),
            lambda: isinstance(other, Pool) and remove_pool(tx, other.id),
            lambda: isinstance(other, Pool) and set_default_pool(tx, other.id),
        ]
        changes[what]()

    before = await store.pulse()
    await store.write(change)
    assert (await store.pulse()).configuration == before.configuration + 1


async def test_mail_is_no_configuration(store: Store, seeded: Seeded) -> None:
    """Nothing reloads because mail came in, or because a removal was refused."""
    before = await store.pulse()
    await store.write_each(accept, Request((seeded.message(),)))
    await store.write(remove_pool, seeded.pool.id)
    await store.write(remove_provider, seeded.provider.id)
    assert (await store.pulse()).configuration == before.configuration
