from appliance.store.accounts import (
    create_account,
    find_user,
    has_account,
    list_sub_accounts,
)
from appliance.store.database import Store
from tests.fakes.store import NOW_NS


async def test_an_account_comes_with_a_sub_account_and_a_user(store: Store) -> None:
    """One call makes a data folder ready for a first login and a first key."""
    assert not await store.read(has_account)
    sub_account = await store.write(create_account, "acme", "admin", "hash", NOW_NS)
    assert sub_account is not None
    assert await store.read(has_account)
    assert await store.read(list_sub_accounts) == [sub_account]
    user = await store.read(find_user, "admin")
    assert user is not None
    assert (user.account, user.password_hash) == (sub_account.account, "hash")
    assert "hash" not in repr(user).replace("password_hash", "")


async def test_a_taken_name_makes_nothing(store: Store) -> None:
    """Names of accounts and users are unique; a conflict is an answer."""
    await store.write(create_account, "acme", "admin", "hash", NOW_NS)
    assert await store.write(create_account, "acme", "other", "hash", NOW_NS) is None
    assert await store.write(create_account, "other", "admin", "hash", NOW_NS) is None
    assert len(await store.read(list_sub_accounts)) == 1
    assert await store.read(find_user, "other") is None
