"""Which header holds the key, and whether the key is of the right kind (spec 1.2).

Finding the credential of a key, and whether it is revoked, is for the caller.
"""

from collections.abc import Iterable
from enum import Enum

from appliance.core.credential import Credential
from appliance.dialects.names import Dialect

MAX_KEY_CHARS = 256
EVENT_KEY = b"x-sp-event-apikey"  # speaks for nobody: it only reports


class KeyKind(Enum):
    """Whom a key speaks for; the value is the header it comes in, in lower case."""

    SUB_ACCOUNT = b"x-subaccount-apikey"
    ACCOUNT = b"x-account-apikey"


def read_key(headers: Iterable[tuple[bytes, bytes]], kind: KeyKind) -> str | None:
    """The key of ``kind`` in these headers, None if there is not exactly one."""
    return _read(headers, kind.value)


def read_event_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key of a provider's log agent, None if there is not exactly one."""
    return _read(headers, EVENT_KEY)


def _read(headers: Iterable[tuple[bytes, bytes]], header: bytes) -> str | None:
    found = [value for name, value in headers if name.lower() == header]
    if len(found) != 1:
        return None
    key = found[0].strip()
    if not 0 < len(key) <= MAX_KEY_CHARS or not key.isascii():
        return None
    return key.decode("ascii")


def speaks_for(credential: Credential, kind: KeyKind) -> bool:
    """True if ``credential`` is a key of ``kind``; any other answers as unknown."""
    is_account_key = credential.sub_account is None
    return credential.dialect == Dialect.SENDPOST.value and is_account_key == (
        kind is KeyKind.ACCOUNT
    )
