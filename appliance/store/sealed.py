"""Secrets at rest: provider passwords and DKIM private keys.

They are sealed with AES-256-GCM under a key that lives beside the database, not
in it, so that a copy of the database alone is worth little. What a secret is
for is part of the seal: one moved to another row does not open.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.store.errors import WrongSealingKeyError

KEY_BYTES = 32
_NONCE_BYTES = (
    12  # NIST SP 800-38D 5.2.1.1: 96 bits, random; far fewer than 2**32 seals
)
_CHECK_WORD = b"postroom"
_CHECK_PURPOSE = "sealing check"


class Sealer:
    """Seals and opens secrets under one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """``secret`` in the form that may be stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """The secret that was sealed for the same ``purpose``.

        Raises:
            WrongSealingKeyError: another key, another purpose, or changed bytes.
        """
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, body, purpose.encode())
        except (InvalidTag, ValueError):
            raise WrongSealingKeyError(
                f"the sealing key does not open the secret of {purpose}"
            ) from None

    def make_check(self) -> bytes:
        """A sealed word by which ``verify`` knows the key again."""
        return self.seal(_CHECK_WORD, _CHECK_PURPOSE)

    def verify(self, check: bytes) -> None:
        """Return if ``check`` was made under this key.

        Raises:
            WrongSealingKeyError: it was made under another one.
        """
        try:
            self.open(check, _CHECK_PURPOSE)
        except WrongSealingKeyError:
            raise WrongSealingKeyError(
                "the sealing key is not the one this database was made with"
            ) from None
