"""Endpoints as they are stored."""

from dataclasses import replace

from appliance.core.message import Request
from appliance.core.webhook import PER_MESSAGE, NewEndpoint
from appliance.store import webhooks
from appliance.store.database import Store
from appliance.store.messages import accept
from appliance.store.transaction import View
from appliance.store.webhooks import (
    add_endpoint,
    ensure_per_message,
    list_endpoints,
    rotate_secret,
)
from tests.fakes.store import NOW_NS, Seeded, seed

URL = "https://hooks.example.com/"
MONTH_NS = 31 * 86_400 * 10**9


def new(seeded: Seeded) -> NewEndpoint:
    """An endpoint of the account."""
    wanted = frozenset({"a", "b"})
    return NewEndpoint(seeded.sub_account.account, None, "x", URL, wanted, "name")


async def test_an_endpoint_comes_back_as_it_was_stored(store: Store) -> None:
    """With its secrets, of which the older is good for a while."""
    seeded = await seed(store)
    made = await store.write(add_endpoint, new(seeded), "whsec_1")
    assert made is not None
    assert await store.write(add_endpoint, new(seeded), "whsec_2") is None
    await store.write(rotate_secret, made.id, "whsec_3", NOW_NS)
    (one,) = await store.read(list_endpoints)
    assert one.wanted == {"a", "b"}
    assert one.keys(NOW_NS - 1) == ("whsec_3", "whsec_1")
    assert one.keys(NOW_NS) == ("whsec_3",)
    assert "whsec" not in repr(one)


async def test_a_secret_is_not_in_the_file_in_clear(store: Store) -> None:
    """ATTACKS 27: it is sealed."""
    seeded = await seed(store)
    await store.write(add_endpoint, new(seeded), "whsec_very_secret")

    def rows(view: View) -> str:
        return repr(view.db.execute("SELECT * FROM webhook").fetchall())

    assert "very_secret" not in await store.read(rows)


async def test_a_message_names_an_endpoint_once(store: Store) -> None:
    """However many messages do; it is its sub-account's."""
    seeded = await seed(store)
    for _ in range(3):
        plain = seeded.message()
        submission = replace(plain.submission, webhook_url=URL)
        named = replace(plain, submission=submission)
        await store.write_each(accept, Request((named,)))
    (one,) = await store.read(list_endpoints)
    assert (one.dialect, one.url) == (PER_MESSAGE, URL)
    assert one.sub_account == seeded.sub_account.id
    assert one.after == 0


async def test_messages_name_only_so_many_endpoints(store: Store) -> None:
    """Then those that were told nothing for a month make room, else none is made."""
    seeded = await seed(store)
    owner, most = seeded.sub_account.id, webhooks.MAX_PER_MESSAGE
    urls = {(owner, f"{URL}{number}"): NOW_NS for number in range(most + 5)}
    await store.write(ensure_per_message, urls)
    assert len(await store.read(list_endpoints)) == most
    later = {(owner, f"{URL}late"): NOW_NS + MONTH_NS}
    await store.write(ensure_per_message, later)
    (one,) = await store.read(list_endpoints)
    assert one.url == f"{URL}late"
