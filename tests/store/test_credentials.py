from dataclasses import replace

from appliance.core.credential import Scope, hash_key
from appliance.core.ids import uuid7
from appliance.store.credentials import (
    NewCredential,
    add_credential,
    list_credentials,
    revoke_credential,
)
from appliance.store.database import Store
from tests.fakes.store import NOW_NS, Seeded


async def test_a_credential_comes_back_as_it_was_added(
    store: Store, seeded: Seeded
) -> None:
    """Scope, domains and an account-wide reach survive the disk; the hash is inside."""
    new = NewCredential(
        account=seeded.sub_account.account,
        sub_account=None,
        dialect="smtp",
        scope=Scope.SEND_ONLY,
        name="grafana",
        hash=hash_key("key_x"),
        hint="key_x",
        created_ns=NOW_NS,
        allowed_domains=frozenset({"b.example", "a.example"}),
    )
    added = await store.write(add_credential, new)
    assert await store.read(list_credentials) == [seeded.credential, added]
    assert added is not None
    assert added.allowed_domains == new.allowed_domains
    assert added.sub_account is None
    assert repr(new.hash) not in repr(new)


async def test_revoking_keeps_the_first_moment(store: Store, seeded: Seeded) -> None:
    """A key is revoked once; a second revocation does not rewrite history."""
    uuid = seeded.credential.uuid
    assert await store.write(revoke_credential, uuid, NOW_NS)
    assert await store.write(revoke_credential, uuid, NOW_NS + 5)
    assert not await store.write(revoke_credential, uuid7(), NOW_NS)
    assert await store.read(list_credentials) == [
        replace(seeded.credential, revoked_ns=NOW_NS)
    ]
