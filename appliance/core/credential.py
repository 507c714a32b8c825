"""Who may do what: keys, and the account or sub-account they speak for."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import TypeAlias
from uuid import UUID

from appliance.core.ids import AccountId, CredentialId, SubAccountId

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
KEY_LENGTH = 43  # 62**43 > 2**256
HINT_LENGTH = 4
Network: TypeAlias = IPv4Network | IPv6Network


class Scope(Enum):
    """What a credential is good for, apart from where."""

    FULL = "full"
    SEND_ONLY = "send_only"


@dataclass(frozen=True, slots=True)
class SubAccount:
    """A tenant's part; a blocked one may not send."""

    id: SubAccountId
    uuid: UUID
    account: AccountId
    name: str
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """A key as the house knows it: never its text, only the hash.

    ``sub_account`` is None for a key of the whole account; ``dialect`` is the
    wire format that the key belongs to; no ``allowed_domains`` means all, and no
    ``allowed_networks`` anywhere. ``username`` is what goes with an SMTP password.
    """

    id: CredentialId
    uuid: UUID
    account: AccountId
    sub_account: SubAccountId | None
    dialect: str
    scope: Scope
    name: str
    hint: str
    created_ns: int
    allowed_domains: frozenset[str] = frozenset()
    revoked_ns: int = 0
    username: str = ""
    allowed_networks: tuple[Network, ...] = ()

    def admits(self, address: IPv4Address | IPv6Address) -> bool:
        """True if the key may be used from ``address``.

        An IPv4 address that IPv6 carries (``::ffff:192.0.2.1``) is an IPv4 address.
        """
        plain = getattr(address, "ipv4_mapped", None) or address
        networks = self.allowed_networks
        return not networks or any(plain in network for network in networks)

    def permits(self, domain: str) -> bool:
        """True if the key may send as ``domain`` (its own list, not verification)."""
        return not self.allowed_domains or domain in self.allowed_domains


def make_key(prefix: str = "") -> str:
    """A new key of 256 random bits behind ``prefix``."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))


def hash_key(key: str) -> bytes:
    """What is stored of a key. A fast hash is right for 256 random bits."""
    return hashlib.sha256(key.encode()).digest()


def hint_of(key: str) -> str:
    """The last characters of a key, enough to tell two apart in a list."""
    return key[-HINT_LENGTH:]


def make_username() -> str:
    """A new name to go with an SMTP password."""
    return f"smtp_{secrets.token_hex(6)}"


def read_network(text: str) -> Network | None:
    """The address or network that ``text`` spells (``192.0.2.0/24``), else None."""
    try:
        return ip_network(text.strip())
    except ValueError:
        return None
