"""DKIM keys that are brought along: what receivers take is taken, and nothing shown."""

import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.domain import Algorithm
from appliance.mime.dkim import Signer, sign
from appliance.mime.dkim_keys import (
    UnusableKey,
    generate_ed25519_key,
    generate_rsa_key,
    import_key,
    weakness,
)
from tests.fakes.dkim import ed_verifies, verifies
from tests.fakes.keys import dkim_key

MAIL = b"From: a@example.com\r\n\r\nHi\r\n"
PKCS1 = PrivateFormat.TraditionalOpenSSL


def private() -> rsa.RSAPrivateKey:
    """A key of 1024 bits that is made already."""
    key = load_pem_private_key(dkim_key().private_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PKCS1])
def test_an_own_rsa_key_signs(form: PrivateFormat) -> None:
    """As OpenSSL writes it today, and as opendkim-genkey does; others verify it."""
    pem = private().private_bytes(Encoding.PEM, form, NoEncryption())
    key = import_key("own", pem)
    assert (key.selector, key.algorithm) == ("own", Algorithm.RSA_SHA256)
    signature = sign(MAIL, "example.com", [Signer(key)], int(time.time()))
    assert b"s=own;" in signature
    assert verifies(signature + MAIL, key)


def test_an_own_ed25519_key_signs() -> None:
    """Its kind is seen from the file."""
    key = import_key("own", generate_ed25519_key("x").private_pem)
    assert key.algorithm is Algorithm.ED25519_SHA256
    signature = sign(MAIL, "example.com", [Signer(key)], int(time.time()))
    assert ed_verifies(signature + MAIL, key)


def test_an_own_key_stays_the_same_key() -> None:
    """Its record may be in the DNS already."""
    ours = dkim_key()
    assert import_key(ours.selector, ours.private_pem) == ours


def test_a_short_key_is_taken_with_a_word() -> None:
    """RFC 8301 3.2: receivers must verify 1024 bits, and signers should use 2048."""
    assert weakness(dkim_key()) == "an RSA key of 1024 bits is short; use 2048"
    assert weakness(generate_rsa_key("x")) == ""
    assert weakness(generate_ed25519_key("x")) == ""


# As `openssl genrsa -traditional 512` made it, for nobody: it cannot be made here.
SHORT = b"""\
-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBAJtyVefdtQ2EEUCAmx8bv+o6UreLzvj7Bm1slTS4/Eq62o7ytfCS
3mCydAgPdnFmiMaKxeyvqK8SU9jLwJMJPH8CAwEAAQJAblaHIdFerZxb/pQLB9bT
r/f8NOrZXCQa2NslQco40vWZwYtt25n0zLCaHJ+iz3frer0oNdQNnbYp6lo2Td1K
UQIhAM7TBC4jy+WNpc4eWHlQbvCHUEsjYZUa9Xsv4BHnrIdHAiEAwGgQJZivhsS+
m/1UT0/ZjETABNDdZcIQpHcgrH7HLQkCIQCshTKIdk2fZt92prNwRlq0AntEoffF
E57PKelDpjexAwIhAJvU7Jb2pdr6CALg12LxIho4KGj+HQJofgAmN8FdYMW5AiBg
pNV97UcoXR/eA46Dgj0wNhMSF9T1nxYaq7ec05Djew==
-----END RSA PRIVATE KEY-----
"""


def public_pem() -> bytes:
    """The wrong half of a key."""
    public = private().public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def other_pem() -> bytes:
    """A key of a kind that DKIM does not know."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def locked_pem() -> bytes:
    """A key that needs a passphrase."""
    locked = BestAvailableEncryption(b"x")
    return private().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def faulty_pem() -> bytes:
    """A key whose numbers do not belong together: one signature would give it away."""
    numbers = private().private_numbers()
    faulty = rsa.RSAPrivateNumbers(
        p=numbers.p,
        q=numbers.q,
        d=numbers.d,
        dmp1=numbers.dmp1 + 2,
        dmq1=numbers.dmq1,
        iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    )
    key = faulty.private_key(unsafe_skip_rsa_key_validation=True)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: b"", "not an unencrypted private key in PEM"),
        (lambda: b"secret nonsense", "not an unencrypted private key in PEM"),
        (public_pem, "not an unencrypted private key in PEM"),
        (locked_pem, "not an unencrypted private key in PEM"),
        (other_pem, "neither an RSA key nor an Ed25519 key"),
        (faulty_pem, "not an unencrypted private key in PEM"),
        (lambda: SHORT, "an RSA key below 1024 bits proves nothing"),
    ],
    ids=["empty", "nonsense", "public", "locked", "elliptic", "faulty", "short"],
)
def test_what_receivers_would_not_take_is_refused(
    make: Callable[[], bytes], why: str
) -> None:
    """Before anybody signs with it, and without showing it (ATTACKS 27)."""
    with pytest.raises(UnusableKey) as caught:
        import_key("own", make())
    assert str(caught.value) == why
    assert caught.value.__cause__ is None


@given(st.binary(max_size=200), st.booleans())
def test_no_file_breaks_the_import(data: bytes, framed: bool) -> None:  # noqa: FBT001 - drawn
    """A key file is a file: anything may be in it."""
    if framed:
        data = (
            b"-----BEGIN PRIVATE KEY-----\n" + data + b"\n-----END PRIVATE KEY-----\n"
        )
    with pytest.raises(UnusableKey):
        import_key("own", data)
