import sqlite3
from pathlib import Path

from appliance.core.domain import Algorithm, DkimKey, Purpose, Record, Stage
from appliance.store.database import Store
from appliance.store.domains import (
    add_domain,
    get_domain,
    list_domains,
    remove_domain,
)
from tests.fakes.keys import dkim_key
from tests.fakes.store import NOW_NS, SENDER, Seeded, open_temp_store, seed

KEYS = (
    DkimKey("ed", Algorithm.ED25519_SHA256, "ZWQ=", b"ed private"),
    DkimKey("rsa", Algorithm.RSA_SHA256, "cnNh", b"rsa private", Stage.NEXT, 7),
)
RECORDS = (
    Record(
        Purpose.DKIM,
        "rsa._domainkey.b.example",
        "TXT",
        "v=DKIM1; p=cnNh",
        selector="rsa",
        stage=Stage.NEXT,
        misses=1,
        missed_ns=8,
    ),
    Record(Purpose.DMARC, "_dmarc.b.example", "TXT", "v=DMARC1; p=none"),
)


async def test_a_domain_comes_back_with_keys_and_records(
    store: Store, seeded: Seeded
) -> None:
    """What was added is what is listed and found."""
    added = await store.write(
        add_domain,
        seeded.sub_account.id,
        "b.example",
        keys=KEYS,
        records=RECORDS,
        now_ns=NOW_NS,
    )
    assert added is not None
    assert (added.keys, added.records) == (KEYS, RECORDS)
    found = await store.read(get_domain, seeded.sub_account.id, "b.example")
    assert found == added
    assert await store.read(list_domains) == [added, seeded.domain]


async def test_a_sub_account_has_a_domain_once(store: Store, seeded: Seeded) -> None:
    """A second one of that name is refused by a value."""
    name = SENDER.address.domain
    assert (
        await store.write(
            add_domain,
            seeded.sub_account.id,
            name,
            keys=KEYS,
            records=RECORDS,
            now_ns=NOW_NS,
        )
        is None
    )
    assert await store.read(list_domains) == [seeded.domain]


async def test_removing_a_domain_takes_its_keys_along(
    store: Store, seeded: Seeded
) -> None:
    """Nothing of a removed domain can sign again, and its id is not used again."""
    assert await store.write(remove_domain, seeded.domain.id)
    assert not await store.write(remove_domain, seeded.domain.id)
    again = await store.write(
        add_domain,
        seeded.sub_account.id,
        seeded.domain.name,
        keys=(),
        records=(),
        now_ns=NOW_NS,
    )
    assert again is not None
    assert again.keys == ()
    assert again.id > seeded.domain.id


async def test_private_keys_and_passwords_are_not_readable_in_the_file(
    tmp_path: Path,
) -> None:
    """ATTACKS 27: a copy of the database gives no key away."""
    async with open_temp_store(tmp_path) as store:
        await seed(store)
    db = sqlite3.connect(tmp_path / "postroom.db")
    dump = "\n".join(db.iterdump()).encode()
    db.close()
    key = dkim_key()
    assert key.public.encode() in dump
    secret = key.private_pem.splitlines()[3]
    assert secret not in dump
    assert secret.hex().encode() not in dump.lower()
