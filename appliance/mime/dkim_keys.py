"""DKIM keys: made here, or brought along by their owner (RFC 8301, RFC 8463).

Whoever brings a key shows us its private half, so no error tells what was in it.
"""

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from appliance.core.domain import Algorithm, DkimKey
from appliance.mime.dkim_record import LEAST_RSA_BITS

RSA_BITS = 2048  # RFC 8301 3.2; longer ones are a strain on DNS and on every mail
MOST_RSA_BITS = 4096  # RFC 8301 3.2: what every receiver must be able to verify

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class UnusableKey(ValueError):  # noqa: N818 - what is wrong with a value given to us
    """A private key that is none, or not of the algorithm it is said to be of."""


def generate_rsa_key(selector: str, bits: int = RSA_BITS) -> DkimKey:
    """A new RSA key; this takes a tenth of a second, so not on the event loop."""
    return _dkim_key(selector, rsa.generate_private_key(65537, bits))


def generate_ed25519_key(selector: str) -> DkimKey:
    """A new Ed25519 key."""
    return _dkim_key(selector, ed25519.Ed25519PrivateKey.generate())


def import_key(selector: str, pem: bytes) -> DkimKey:
    """The key in a PEM file (PKCS 8, or PKCS 1 as opendkim-genkey writes it).

    Raises:
        UnusableKey: it holds none that receivers would take.
    """
    return _dkim_key(selector, _load(pem))


def weakness(key: DkimKey) -> str:
    """What speaks against a key that receivers take, "" for nothing."""
    private = private_key(key)
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < RSA_BITS:
        return f"an RSA key of {private.key_size} bits is short; use {RSA_BITS}"
    return ""


def private_key(key: DkimKey) -> PrivateKey:
    """The key, parsed.

    Its numbers were checked when it was made or brought along: again they would take
    50 ms, and the first mail of each domain would wait for that.

    Raises:
        UnusableKey: it is none, or not of its algorithm.
    """
    private = _load(key.private_pem, checked=True)
    if _algorithm(private) is not key.algorithm:
        raise UnusableKey(f"not a key for {key.algorithm.value}")
    return private


def _load(pem: bytes, *, checked: bool = False) -> PrivateKey:
    try:
        private = load_pem_private_key(
            pem, None, unsafe_skip_rsa_key_validation=checked
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause may quote the key.
        raise UnusableKey("not an unencrypted private key in PEM") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private
    if not isinstance(private, rsa.RSAPrivateKey):
        raise UnusableKey("neither an RSA key nor an Ed25519 key")
    if private.key_size < LEAST_RSA_BITS:
        raise UnusableKey(f"an RSA key below {LEAST_RSA_BITS} bits proves nothing")
    if private.key_size > MOST_RSA_BITS:
        raise UnusableKey(f"not every receiver verifies more than {MOST_RSA_BITS} bits")
    return private


def _algorithm(private: PrivateKey) -> Algorithm:
    if isinstance(private, rsa.RSAPrivateKey):
        return Algorithm.RSA_SHA256
    return Algorithm.ED25519_SHA256


def _dkim_key(selector: str, private: PrivateKey) -> DkimKey:
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = base64.b64encode(_public(private)).decode()
    return DkimKey(selector, _algorithm(private), public, pem)


def _public(private: PrivateKey) -> bytes:
    """What stands in ``p=`` (RFC 6376 3.6.1, RFC 8463 4)."""
    if isinstance(private, rsa.RSAPrivateKey):
        return private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
