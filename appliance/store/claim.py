"""Claiming due deliveries, and drawing the provider of those that have none yet."""

from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType
from uuid import UUID

import msgspec

from appliance.core.address import Address
from appliance.core.breaker import Restraint
from appliance.core.delivery import Copy
from appliance.core.ids import (
    ContentId,
    DeliveryId,
    DomainId,
    MessageId,
    PoolId,
    ProviderId,
    SubAccountId,
)
from appliance.core.pool import draw
from appliance.store.detail_codec import decode_detail, decode_fields
from appliance.store.pools import load_shares, save_credits
from appliance.store.rows import Row, all_ids, update_rows
from appliance.store.transaction import Tx

NO_PROVIDER_PAUSE_NS = 60_000_000_000
NO_PROVIDER = "its pool has no provider"
NO_BOUND = 1_000_000
NOTHING: Mapping[ProviderId, int] = MappingProxyType({})
ALL_UP: Mapping[ProviderId, Restraint] = MappingProxyType({})

# CROSS JOIN keeps the order of the tables: first the index of what is due for one
# provider, read from its front, then one message by its row id for each. All rows
# come as one, in one step of the statement: see rows.py.
CLAIM = (
    "SELECT json_group_array(json_array(id, hex(uuid), message, hex(message_uuid),"
    " sub_account, domain, content, pool, sender, recipient, hex(fields),"
    " hex(detail), accepted_ns, attempts, size_bytes, due_ns)) FROM ("
    "SELECT d.id, d.uuid, d.message, m.uuid AS message_uuid, d.sub_account, d.domain,"
    " m.content, d.pool, m.sender, d.recipient, d.fields, m.detail, m.accepted_ns,"
    " d.attempts, m.size_bytes, d.due_ns"
    " FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message"
    " WHERE d.provider IS ? AND d.due_ns <= ? AND d.state = 0"
    " ORDER BY d.due_ns LIMIT ?)"
)


class _Row(msgspec.Struct, array_like=True, frozen=True):
    id: int
    uuid: str
    message: int
    message_uuid: str
    sub_account: int
    domain: int
    content: int
    pool: int
    sender: str
    recipient: str
    fields: str
    detail: str
    accepted_ns: int
    attempts: int
    size_bytes: int
    due_ns: int


_rows = msgspec.json.Decoder(list[_Row]).decode


def claim(
    tx: Tx,
    now_ns: int,
    limit: int,
    byte_limit: int,
    *,
    most_each: int = NO_BOUND,
    in_flight: Mapping[ProviderId, int] = NOTHING,
    down: Mapping[ProviderId, Restraint] = ALL_UP,
) -> list[Copy]:
    """At most ``limit`` due deliveries, longest due first, now in flight.

    They hold at most ``byte_limit`` bytes of content together, but one is
    always taken. No provider gets more than ``most_each`` with those that it
    has ``in_flight``, so a slow one holds up its own mail only; one that is
    ``down`` gets no more than it says. A delivery is
    drawn a provider once and keeps it. One whose pool has no provider stays
    queued and is due again in a minute; that is no try.
    """
    taking = _Taking(limit, byte_limit, most_each, in_flight, down)
    for provider in _providers(tx):
        for row in _due(tx, provider, now_ns, taking.room(provider)):
            taking.take(row, provider)
    undrawn = _due(tx, None, now_ns, taking.left)
    waiting: list[Row] = []
    for row, drawn in _draw(tx, undrawn):
        if drawn is None:
            due_ns = now_ns + NO_PROVIDER_PAUSE_NS
            waiting.append((row.id, None, due_ns, NO_PROVIDER))
        elif not taking.take(row, drawn):
            why = down[drawn].waits_for if drawn in down else ""
            waiting.append((row.id, drawn, row.due_ns, why))
    update_rows(
        tx.db,
        "UPDATE delivery SET provider = new.column2, due_ns = new.column3,"
        " waits_for = new.column4 {} WHERE delivery.id = new.column1",
        waiting,
    )
    update_rows(
        tx.db,
        "UPDATE delivery SET state = 1, due_ns = NULL, provider = new.column2,"
        " waits_for = '', dot_ns = NULL {} WHERE delivery.id = new.column1",
        [(copy.id, copy.provider) for copy in taking.copies],
    )
    return taking.copies


class _Taking:
    """The copies that are taken, and the room that is left for more."""

    def __init__(
        self,
        limit: int,
        byte_limit: int,
        most_each: int,
        in_flight: Mapping[ProviderId, int],
        down: Mapping[ProviderId, Restraint],
    ) -> None:
        self.copies: list[Copy] = []
        self.left = limit
        self._bytes = byte_limit
        self._most_each = most_each
        self._in_flight = Counter(in_flight)
        self._down = down

    def room(self, provider: ProviderId) -> int:
        """How many more this provider may get."""
        restraint = self._down.get(provider)
        most = self._most_each if restraint is None else restraint.most
        return max(0, min(self.left, most - self._in_flight[provider]))

    def take(self, row: _Row, provider: ProviderId) -> bool:
        """True if there was room for this one."""
        fits = not self.copies or row.size_bytes <= self._bytes
        if not fits or not self.room(provider):
            return False
        self.copies.append(_copy(row, provider))
        self.left -= 1
        self._bytes -= row.size_bytes
        self._in_flight[provider] += 1
        return True


def _providers(tx: Tx) -> list[ProviderId]:
    return [ProviderId(id_) for id_ in all_ids(tx.db, "provider")]


def _due(tx: Tx, provider: ProviderId | None, now_ns: int, limit: int) -> list[_Row]:
    """The deliveries of one provider, or those without one, from the front."""
    if not limit:
        return []
    (found,) = tx.db.execute(CLAIM, (provider, now_ns, limit)).fetchone()
    return _rows(found)


def _draw(tx: Tx, rows: list[_Row]) -> list[tuple[_Row, ProviderId | None]]:
    """Each row with its provider, pool by pool in the order in which they came."""
    drawn: list[tuple[_Row, ProviderId | None]] = []
    for number, group in groupby(sorted(rows, key=_pool_of), _pool_of):
        pool = PoolId(number)
        shares = load_shares(tx, pool)
        drawn += [(row, draw(shares) if shares else None) for row in group]
        save_credits(tx, pool, shares)
    return drawn


def _pool_of(row: _Row) -> int:
    return row.pool


def _copy(row: _Row, provider: ProviderId) -> Copy:
    detail = decode_detail(bytes.fromhex(row.detail))
    local, _, domain = row.recipient.rpartition("@")
    return Copy(
        id=DeliveryId(row.id),
        uuid=UUID(row.uuid),
        message=MessageId(row.message),
        message_uuid=UUID(row.message_uuid),
        sub_account=SubAccountId(row.sub_account),
        domain=DomainId(row.domain),
        content=ContentId(row.content),
        pool=PoolId(row.pool),
        provider=provider,
        sender=row.sender,
        recipient=Address(local, domain),
        fields=decode_fields(bytes.fromhex(row.fields) or None),
        to=detail.to,
        cc=detail.cc,
        tracking=detail.tracking,
        dimensions=detail.dimensions,
        submitted_ns=row.accepted_ns,
        attempts=row.attempts,
        size_bytes=row.size_bytes,
    )
