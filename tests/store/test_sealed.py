import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store.errors import WrongSealingKeyError
from appliance.store.sealed import Sealer

SEALER = Sealer(bytes(32))


@given(st.binary(), st.text())
def test_what_was_sealed_opens_for_its_purpose(secret: bytes, purpose: str) -> None:
    """Sealing loses nothing."""
    assert SEALER.open(SEALER.seal(secret, purpose), purpose) == secret


def test_a_sealed_secret_shows_nothing_and_never_the_same_twice() -> None:
    """Equal passwords cannot be seen to be equal."""
    sealed = SEALER.seal(b"hunter2hunter2", "x")
    assert b"hunter2" not in sealed
    assert sealed != SEALER.seal(b"hunter2hunter2", "x")


@pytest.mark.parametrize(
    ("sealer", "purpose"), [(Sealer(b"\x01" * 32), "x"), (SEALER, "y")]
)
def test_another_key_or_purpose_opens_nothing(sealer: Sealer, purpose: str) -> None:
    """A copied row is worth nothing without its key and its place."""
    with pytest.raises(WrongSealingKeyError):
        sealer.open(SEALER.seal(b"secret", "x"), purpose)


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    """A secret that was tampered with is no secret."""
    sealed = bytearray(SEALER.seal(b"secret", "x"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(WrongSealingKeyError):
        SEALER.open(bytes(sealed), "x")


def test_a_cut_secret_is_noticed() -> None:
    """Too few bytes are the same clear error."""
    with pytest.raises(WrongSealingKeyError):
        SEALER.open(b"short", "x")


def test_a_key_of_another_length_is_refused() -> None:
    """Half a key does not quietly become a weak one."""
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        Sealer(bytes(16))
