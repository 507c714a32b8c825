from pathlib import Path

from appliance.edge import assembly
from tests.fakes.house import furnish


async def test_every_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    """A token's key says nothing about the key that seals passwords."""
    secret = (await furnish(tmp_path)).folder.read_secret()
    keys = {assembly.derived(secret, purpose) for purpose in (b"a", b"b", b"")}
    assert len(keys | {secret}) == 4
    assert assembly.derived(secret, b"a") == assembly.derived(secret, b"a")
