"""What dkimpy, a verifier that we did not write, says of our signatures."""

import base64
from collections.abc import Callable

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.core.domain import Algorithm, DkimKey


def public_record(key: DkimKey) -> str:
    """The least TXT record that makes a key known (RFC 6376 3.6.1, RFC 8463 4)."""
    kind = "rsa" if key.algorithm is Algorithm.RSA_SHA256 else "ed25519"
    return f"v=DKIM1; k={kind}; p={key.public}"


def records(*keys: DkimKey) -> Callable[..., bytes | None]:
    """A DNS in which the keys' records stand under any domain."""
    published = {key.selector.encode(): public_record(key).encode() for key in keys}

    def look_up(name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG001 - dkimpy's signature
        return published.get(name.partition(b"._domainkey.")[0])

    return look_up


def verifies(message: bytes, key: DkimKey) -> bool:
    """What dkimpy says of an RSA signature."""
    return bool(dkim.verify(message, dnsfunc=records(key)))


class _EdKey:
    """dkimpy verifies Ed25519 only with a library that is not used here."""

    def __init__(self, key: DkimKey) -> None:
        raw = base64.b64decode(key.public)
        self.key = Ed25519PublicKey.from_public_bytes(raw)
        self.valid = False

    def verify(self, digest: bytes, signature: bytes) -> None:
        try:
            self.key.verify(signature, digest)
            self.valid = True
        except InvalidSignature:
            self.valid = False


def ed_verifies(message: bytes, key: DkimKey, index: int = 0) -> bool:
    """What dkimpy says, with OpenSSL for the key operation."""
    verifier = dkim.DKIM(message)
    tags, names, signatures = verifier.verify_headerprep(index)
    verifier.pk, verifier.ktag = _EdKey(key), b"ed25519"
    verifier.verify_sig_process(tags, names, signatures[index], None)
    return bool(verifier.pk.valid)
