"""DKIM keys of domains: which are made, under which names, and how one follows."""

from pathlib import Path

import pytest

from appliance.core.domain import Algorithm, Look, Purpose, SenderDomain, Stage
from appliance.flow.domain_keys import KeyRefused, KeyWish, first_keys, rotate
from appliance.flow.new_domain import take_on
from appliance.store.database import Store
from appliance.store.domain_checks import note_looks
from appliance.store.domains import get_domain
from tests.fakes.keys import dkim_key
from tests.fakes.store import NOW_NS, open_temp_store, seed

OWN = dkim_key()
ED25519 = Algorithm.ED25519_SHA256
DAY = "20231114"  # that of NOW_NS


async def a_domain(store: Store) -> SenderDomain:
    """A domain under an own key, so that none has to be made."""
    seeded = await seed(store)
    wish = KeyWish("own", OWN.private_pem)
    hosts = ("mail.example.net", "bounce.example.net")
    made = await take_on(store, seeded.sub_account.id, "d.example", *hosts, wish=wish)
    assert made is not None
    return made


async def see(store: Store, domain: SenderDomain, selector: str) -> SenderDomain:
    """The domain once the record of that key was seen."""
    key = domain.key(selector)
    assert key is not None
    look = Look(key.purpose, selector, NOW_NS)
    await store.write(note_looks, [(domain.id, look)])
    found = await store.read(get_domain, domain.sub_account, domain.name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("selector", "names"),
    [("", ("sp-dkim", "sp-dkim-ed")), ("key1", ("key1", "key1-ed"))],
)
async def test_an_own_key_has_a_new_one_beside_it(
    selector: str, names: tuple[str, str]
) -> None:
    """Ours are named as the vendor's, unless the owner says else."""
    keys = await first_keys(KeyWish(selector, OWN.private_pem))
    assert tuple(one.selector for one in keys) == names
    assert keys[0].public == OWN.public
    assert keys[1].algorithm is ED25519


async def test_an_own_ed25519_key_has_an_rsa_key_beside_it() -> None:
    """Mail must carry one that every receiver can verify."""
    (_, ed) = await first_keys(KeyWish("", OWN.private_pem))
    keys = await first_keys(KeyWish("mine", ed.private_pem))
    assert [one.selector for one in keys] == ["mine", "mine-rsa"]
    assert [one.algorithm for one in keys] == [ED25519, Algorithm.RSA_SHA256]


async def test_a_new_key_waits_and_then_signs(tmp_path: Path) -> None:
    """The old one signs until the record of the new one was seen."""
    async with open_temp_store(tmp_path) as store:
        domain = await see(store, await a_domain(store), "own")
        waiting, key = await rotate(store, domain, KeyWish(), NOW_NS)
        assert (key.selector, key.stage) == (f"sp-dkim-{DAY}", Stage.NEXT)
        (record,) = waiting.at(Stage.NEXT)
        assert record.host == f"sp-dkim-{DAY}._domainkey.d.example"
        assert record.value.endswith(f"p={key.public}")
        assert [one.selector for one in waiting.signing_keys] == ["own"]
        after = await see(store, waiting, key.selector)
        assert [one.selector for one in after.signing_keys] == [key.selector]
        assert [one.selector for one in after.keys if one.stage is Stage.RETIRED] == [
            "own"
        ]
        assert after.verified_host(Purpose.DKIM) == record.host


async def test_own_keys_and_names_may_be_brought_along(tmp_path: Path) -> None:
    """The kind of an own key is seen from its file."""
    async with open_temp_store(tmp_path) as store:
        domain = await a_domain(store)
        domain, key = await rotate(
            store, domain, KeyWish("key2", OWN.private_pem), NOW_NS
        )
        assert (key.selector, key.public) == ("key2", OWN.public)
        domain, key = await rotate(store, domain, KeyWish("", b"", ED25519), NOW_NS)
        assert (key.selector, key.algorithm) == (f"sp-dkim-ed-{DAY}", ED25519)
        assert len(domain.at(Stage.NEXT)) == 2


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (KeyWish("own", OWN.private_pem), "d.example has a key own already"),
        (KeyWish("a b", OWN.private_pem), "'a b' is no selector"),
        (KeyWish("key3", b"secret"), "not an unencrypted private key in PEM"),
        (KeyWish("key3", OWN.private_pem), "the key key2 waits for its record already"),
    ],
)
async def test_what_cannot_be_had_is_refused(
    tmp_path: Path, wish: KeyWish, why: str
) -> None:
    """Nothing is stored, and what was stays as it was."""
    async with open_temp_store(tmp_path) as store:
        domain = await a_domain(store)
        domain, _ = await rotate(
            store, domain, KeyWish("key2", OWN.private_pem), NOW_NS
        )
        with pytest.raises(KeyRefused) as caught:
            await rotate(store, domain, wish, NOW_NS)
        assert str(caught.value) == why
        found = await store.read(get_domain, domain.sub_account, domain.name)
        assert found == domain


async def test_what_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    """Two commands at a time: the second one is told, and nothing is lost."""
    async with open_temp_store(tmp_path) as store:
        domain = await a_domain(store)
        wish = KeyWish("key2", OWN.private_pem)
        await rotate(store, domain, wish, NOW_NS)
        with pytest.raises(KeyRefused, match="was changed at the same time"):
            await rotate(store, domain, wish, NOW_NS)
