"""What an address at which mail may come back is about.

A return path is one by a delivery that went out and the sub-account that it names
(``core/verp.py``), a way out by its token's authenticator, also when the delivery has
been forgotten; the host is a verified return path's.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from appliance.core.address import Address
from appliance.core.domain import Purpose
from appliance.core.ids import SubAccountId
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.core.verp import (
    is_complaint_address,
    parse_return_path,
    unsubscribe_text,
)
from appliance.flow.directory import DirectoryKeeper
from appliance.store.database import Store
from appliance.store.directory import Directory
from appliance.store.returns import Gone, find_gone


@dataclass(frozen=True, slots=True)
class Complaints:
    """Where complaints arrive."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """Where somebody unsubscribes by writing."""

    token: Token


Place: TypeAlias = Gone | Complaints | WayOut


class Refused(StrEnum):
    """Why no mail is taken for an address."""

    NOT_OURS = "not ours"
    UNKNOWN = "unknown"


class Places:
    """Finds what an address is about."""

    def __init__(
        self, store: Store, directory: DirectoryKeeper, tokens: TokenMaker
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._hosts = Hosts(directory)

    async def find(self, address: Address) -> Place | Refused:
        """What mail to this address is about, or why none is taken.

        Raises:
            StoreUnavailable: it cannot be told now.
        """
        owners = self._hosts.owners(address.domain)
        if not owners:
            return Refused.NOT_OURS
        if named := parse_return_path(address):
            delivery, owner = named
            known = owner in owners
            return await self._left(delivery, owner) if known else Refused.UNKNOWN
        if is_complaint_address(address):
            return Complaints()
        if text := unsubscribe_text(address):
            return self._way_out(text)
        return Refused.NOT_OURS

    async def _left(self, delivery: UUID, owner: SubAccountId) -> Gone | Refused:
        gone = await self._gone(delivery)
        if gone is None or gone.sub_account != owner:
            return Refused.UNKNOWN
        return gone

    def _way_out(self, text: str) -> WayOut | Refused:
        token = self._tokens.read_local(text, TokenKind.UNSUBSCRIBE)
        return Refused.UNKNOWN if token is None else WayOut(token)

    async def _gone(self, delivery: UUID) -> Gone | None:
        return await self._store.read(find_gone, delivery)


class Hosts:
    """The hosts to which mail may come back, and whose they are."""

    def __init__(self, directory: DirectoryKeeper) -> None:
        self._directory = directory
        self._seen: Directory | None = None
        self._owners: dict[str, set[SubAccountId]] = {}

    def owners(self, host: str) -> AbstractSet[SubAccountId]:
        """The sub-accounts with a verified return path at this host, maybe none."""
        current = self._directory.current
        if current is not self._seen:
            self._seen, self._owners = current, {}
            for one in current.domains_by_id.values():
                found = one.verified_host(Purpose.RETURN_PATH)
                self._owners.setdefault(found, set()).add(one.sub_account)
            self._owners.pop("", None)
        return self._owners.get(host, frozenset())
