"""Taking a sender domain on."""

from pathlib import Path

from appliance.core.domain import Algorithm, Proof, Purpose
from appliance.flow.new_domain import take_on
from appliance.mime.dkim import Signer, sign
from tests.fakes.store import open_temp_store, seed

HOSTS = ("mail.example.net", "bounce.example.net")


async def test_a_domain_is_stored_with_two_keys_that_sign(tmp_path: Path) -> None:
    """What comes back from the store signs; the public halves stand in the records."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        domain = await take_on(store, seeded.sub_account.id, "new.example", *HOSTS)
    assert domain is not None
    assert [key.algorithm for key in domain.keys] == [
        Algorithm.RSA_SHA256,
        Algorithm.ED25519_SHA256,
    ]
    for key, purpose in zip(
        domain.keys, (Purpose.DKIM, Purpose.DKIM_ED25519), strict=True
    ):
        record = domain.record(purpose)
        assert record is not None
        assert record.proof is Proof.NONE
        assert record.host == f"{key.selector}._domainkey.new.example"
        assert record.value.endswith(f"p={key.public}")
    mail = b"From: <a@new.example>\r\n\r\nHi\r\n"
    signed = sign(mail, domain.name, [Signer(key) for key in domain.keys], 1)
    assert signed.count(b"DKIM-Signature:") == 2


async def test_a_domain_is_taken_on_once(tmp_path: Path) -> None:
    """The second time nothing changes, and the keys stay."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        owner = seeded.sub_account.id
        assert await take_on(store, owner, "new.example", *HOSTS) is not None
        assert await take_on(store, owner, "new.example", *HOSTS) is None
