"""A DKIM key as receivers find it in the DNS (RFC 6376 3.6.1, RFC 8463 4)."""

import base64

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

LEAST_RSA_BITS = 1024  # RFC 8301 3.2


class PublishedKey:
    """A key as receivers read it in a record (RFC 6376 3.6.1).

    Raises:
        ValueError: it is none for signatures of this algorithm.
    """

    def __init__(self, record: str, algorithm: str) -> None:
        tags = {
            name.strip(): "".join(value.split())
            for name, _, value in (one.partition("=") for one in record.split(";"))
        }
        if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
            raise ValueError("what is published is no DKIM key")
        if not tags["p"]:
            raise ValueError("the published key says that it was revoked")
        kind = tags.get("k", "rsa")
        if kind != algorithm.partition("-")[0]:
            raise ValueError(f"the published key is of another kind: {kind[:20]}")
        self._key = _public_key(kind, tags["p"])
        self.fits = False

    def verify(self, digest: bytes, signature: bytes) -> None:
        """Notes whether the signature is this key's; dkimpy asks this of a key."""
        try:
            if isinstance(self._key, rsa.RSAPublicKey):
                hashed = Prehashed(hashes.SHA256())
                self._key.verify(signature, digest, padding.PKCS1v15(), hashed)
            else:
                self._key.verify(signature, digest)
            self.fits = True
        except InvalidSignature:
            self.fits = False


def _public_key(kind: str, text: str) -> rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    try:
        octets = base64.b64decode(text, validate=True)
        if kind != "rsa":
            return ed25519.Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_RSA_BITS:
        raise ValueError("the published key is no usable key")
    return key
