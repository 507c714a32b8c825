"""Passwords of people: stored as slow, salted hashes (RFC 7914)."""

import hashlib
import os
import secrets

_SALT_BYTES = 16
# 16 MiB and about 50 ms for each guess.
_N, _R, _P = 2**14, 8, 1


def hash_password(password: str) -> str:
    """What is stored of a password: scheme, cost, salt and hash."""
    salt = os.urandom(_SALT_BYTES)
    return _spell(salt, _scrypt(password, salt))


def check_password(password: str, stored: str) -> bool:
    """True if ``stored`` was made of ``password``. Takes about 50 ms."""
    salt = bytes.fromhex(stored.split("$")[2])
    return secrets.compare_digest(_spell(salt, _scrypt(password, salt)), stored)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P)


def _spell(salt: bytes, digest: bytes) -> str:
    return f"scrypt${_N},{_R},{_P}${salt.hex()}${digest.hex()}"


# Checked in place of a user that does not exist, so that time tells nothing.
DUMMY_HASH = _spell(b"\0" * _SALT_BYTES, b"\0" * 64)
