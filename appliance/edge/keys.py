"""Who is behind a key: the one place where key texts meet their hashes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from appliance.core.credential import Credential, Scope, hash_key
from appliance.core.ids import ProviderId, SubAccountId
from appliance.dialects.names import Dialect
from appliance.dialects.sendpost.login import KeyKind, read_event_key, read_key
from appliance.flow.directory import DirectoryKeeper

IpAddress: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who may read what: all sub-accounts if ``sub_account`` is None."""

    sub_account: SubAccountId | None = None


class KeyRing:
    """Finds credentials by key, and knows the operator's own short-lived key.

    The operator's key is made at each start and lies in the data folder, where
    only those who could read the database anyway can read it.
    """

    def __init__(self, directory: DirectoryKeeper, operator_key: str) -> None:
        self._directory = directory
        self._operator_hash = hash_key(operator_key)

    def find(self, key: str) -> Credential | None:
        """The credential of ``key`` if there is one and it is not revoked."""
        return self._directory.current.credentials.get(hash_key(key))

    def log_in(
        self, dialect: Dialect, username: str, password: str, address: IpAddress
    ) -> Credential | None:
        """The credential of these words, if it may be used from there.

        Whatever is wrong with them, the work is the same: time tells nothing.
        """
        credential = self.find(password)
        named = "" if credential is None else credential.username
        expected = username if dialect is Dialect.SMTP else ""
        same_name = secrets.compare_digest(named.encode(), expected.encode())
        if credential is None or credential.sub_account is None:
            return None
        fits = same_name and credential.dialect == dialect.value
        return credential if fits and credential.admits(address) else None

    def reporter(self, headers: Sequence[tuple[bytes, bytes]]) -> ProviderId | None:
        """The provider whose log agent sent these headers, None for anybody else.

        Its key is good for nothing else, and no other key for this.
        """
        key = read_event_key(headers)
        if key is None:
            return None
        return self._directory.current.event_keys.get(hash_key(key))

    def is_good(self, credential: Credential) -> bool:
        """True if the credential has not been revoked since it was found."""
        return credential.id in self._directory.current.credential_ids

    def viewer(self, key: str) -> Viewer | None:
        """What the bearer of ``key`` may read of the event log, None for nothing."""
        hashed = hash_key(key)
        if secrets.compare_digest(hashed, self._operator_hash):
            return Viewer()
        credential = self._directory.current.credentials.get(hashed)
        if credential is None or credential.scope is Scope.SEND_ONLY:
            return None
        if credential.allowed_networks:
            return None  # behind a proxy nobody knows where a request comes from
        if credential.dialect == Dialect.SMTP.value:
            return None  # a mail program's password lies about in its settings
        return Viewer(credential.sub_account)

    def authorise(self, headers: Sequence[tuple[bytes, bytes]]) -> Viewer | None:
        """What the sender of these headers may read, None for nothing.

        The key stands in ``Authorization: Bearer``, or in a dialect's own header.
        """
        for name, value in headers:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                return self.viewer(value[7:].decode("latin-1").strip())
        for kind in KeyKind:
            key = read_key(headers, kind)
            if key is not None:
                return self.viewer(key)
        return None
