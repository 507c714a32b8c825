from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from appliance.core.credential import Credential, Scope, SubAccount, read_network
from appliance.dialects.names import Dialect
from appliance.edge.keys import KeyRing, Viewer
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


HOME = ip_address("192.0.2.7")


@pytest.fixture
async def logins(tmp_path: Path) -> AsyncIterator[KeyRing]:
    """A ring with what logs in over SMTP."""

    def prepare(tx: Tx) -> None:
        owner = add_tenant(tx, "acme")
        add_key(tx, owner, "ap_1", dialect="anypost", scope=Scope.SEND_ONLY)
        add_key(tx, owner, "ps_live_1", dialect="postscale")
        add_key(tx, owner, "pw", dialect="smtp", username="shop")
        add_key(tx, owner, "sendpost")
        add_key(tx, owner, "ap_all", dialect="anypost", whole_account=True)
        here = read_network("192.0.2.0/24")
        assert here is not None
        add_key(tx, owner, "ap_here", dialect="anypost", networks=(here,))

    async with open_temp_store(tmp_path) as store:
        await store.write(prepare)
        yield KeyRing(await DirectoryKeeper.load(store), OPERATOR)


@pytest.mark.parametrize(
    ("dialect", "username", "password", "good"),
    [
        (Dialect.ANYPOST, "anypost", "ap_1", True),
        (Dialect.POSTSCALE, "PostScale", "ps_live_1", True),
        (Dialect.SMTP, "shop", "pw", True),
        (Dialect.SMTP, "Shop", "pw", False),
        (Dialect.SMTP, "", "pw", False),
        (Dialect.SMTP, "shop", "ap_1", False),
        (Dialect.ANYPOST, "anypost", "pw", False),
        (Dialect.ANYPOST, "anypost", "ps_live_1", False),
        (Dialect.ANYPOST, "anypost", "sendpost", False),
        (Dialect.SMTP, "", "sendpost", False),
        (Dialect.ANYPOST, "anypost", "ap_all", False),
        (Dialect.ANYPOST, "anypost", "", False),
        (Dialect.ANYPOST, "anypost", OPERATOR, False),
    ],
)
async def test_a_login_is_a_name_and_a_key_of_its_dialect(
    logins: KeyRing, dialect: Dialect, username: str, password: str, *, good: bool
) -> None:
    """A pair fits as a whole; a key of the account is no one's to send with."""
    found = logins.log_in(dialect, username, password, HOME)
    assert (found is not None) is good


async def test_a_bound_key_is_good_where_it_is_bound_to(logins: KeyRing) -> None:
    """Elsewhere it is as if it were not there; and it reads nothing over HTTP."""
    words = (Dialect.ANYPOST, "anypost", "ap_here")
    found = logins.log_in(*words, HOME)
    assert found is not None
    assert logins.is_good(found)
    assert logins.log_in(*words, ip_address("198.51.100.1")) is None
    assert logins.viewer("ap_here") is None
