from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.core.credential import Credential, Scope, SubAccount
from appliance.edge.http.keys import KeyRing, Viewer
from appliance.flow.directory import DirectoryKeeper
from appliance.store.credentials import revoke_credential
from appliance.store.transaction import Tx
from tests.fakes.house import NOW_NS, add_key, add_tenant
from tests.fakes.store import open_temp_store

OPERATOR = "the-operator"


@pytest.fixture
async def ring(tmp_path: Path) -> AsyncIterator[KeyRing]:
    """A ring with a key of each kind."""

    def prepare(tx: Tx) -> None:
        owner = add_tenant(tx, "acme")
        _add_all(tx, owner)

    async with open_temp_store(tmp_path) as store:
        await store.write(prepare)
        yield KeyRing(await DirectoryKeeper.load(store), OPERATOR)


def _add_all(tx: Tx, owner: SubAccount) -> None:
    add_key(tx, owner, "full")
    add_key(tx, owner, "account", whole_account=True)
    add_key(tx, owner, "send-only", scope=Scope.SEND_ONLY)
    revoke_credential(tx, add_key(tx, owner, "revoked").uuid, NOW_NS)


async def test_a_key_is_found_by_its_text_alone(ring: KeyRing) -> None:
    """Neither a revoked one nor a near miss is."""
    found = ring.find("full")
    assert isinstance(found, Credential)
    for text in ("revoked", "Full", "full ", "", OPERATOR):
        assert ring.find(text) is None


async def test_who_may_read_what(ring: KeyRing) -> None:
    """The operator and an account all, a sub-account its own, others nothing."""
    found = ring.find("full")
    assert found is not None
    assert ring.viewer("full") == Viewer(found.sub_account)
    assert ring.viewer("account") == Viewer(None)
    assert ring.viewer(OPERATOR) == Viewer(None)
    for text in ("send-only", "revoked", "", "nosuch", "\xff"):
        assert ring.viewer(text) is None


async def test_where_a_key_may_stand(ring: KeyRing) -> None:
    """As a bearer token, or in a dialect's header; the first that is there counts."""
    sub, account = b"x-subaccount-apikey", b"x-account-apikey"
    assert ring.authorise([(b"authorization", b"bearer account")]) == Viewer(None)
    assert ring.authorise([(account, b"account")]) == Viewer(None)
    assert ring.authorise([(sub, b"full")]) == ring.viewer("full")
    assert ring.authorise([(sub, b"full"), (sub, b"full")]) is None
    wrong = [(b"authorization", b"Bearer nosuch"), (account, b"account")]
    assert ring.authorise(wrong) is None
    for value in (b"Bearer", b"Bearer ", b"Basic account", b"account", b"\xff"):
        assert ring.authorise([(b"authorization", value)]) is None
    assert ring.authorise([]) is None


async def test_the_operators_key_is_shown_by_nothing(ring: KeyRing) -> None:
    """ATTACKS 27: only its hash is kept."""
    assert OPERATOR not in repr(vars(ring))
