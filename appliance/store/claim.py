"""Claiming due deliveries, and drawing the provider of those that have none yet."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from appliance.core.address import Address
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
from appliance.store.rows import update_rows
from appliance.store.transaction import Tx, to_uuid

NO_PROVIDER_PAUSE_NS = 60_000_000_000

# CROSS JOIN keeps the order of the tables: first the index of what is due, read
# from its front, then one message by its row id for each.
CLAIM = (
    "SELECT d.id, d.uuid, d.message, m.uuid, d.sub_account, d.domain, m.content,"
    " d.pool, d.provider, m.sender, d.recipient, d.fields, m.detail, m.accepted_ns,"
    " d.attempts, m.size_bytes"
    " FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message"
    " WHERE d.due_ns <= ? ORDER BY d.due_ns LIMIT ?"
)


class _Row(NamedTuple):
    id: int
    uuid: bytes
    message: int
    message_uuid: bytes
    sub_account: int
    domain: int
    content: int
    pool: int
    provider: int | None
    sender: str
    recipient: str
    fields: bytes | None
    detail: bytes
    accepted_ns: int
    attempts: int
    size_bytes: int


def claim(tx: Tx, now_ns: int, limit: int, byte_limit: int) -> list[Copy]:
    """At most ``limit`` due deliveries, longest due first, now in flight.

    They hold at most ``byte_limit`` bytes of content together, but one is
    always taken. A delivery is drawn a provider once and keeps it. One whose
    pool has no provider stays queued and is due again in a minute; that is no
    try, and it does not stand in the way of the others.
    """
    rows = list(_due(tx, now_ns, limit, byte_limit))
    drawn = _draw(tx, [row for row in rows if row.provider is None])
    update_rows(
        tx.db,
        "UPDATE delivery SET due_ns = new.column2 {} WHERE delivery.id = new.column1",
        [
            (id_, now_ns + NO_PROVIDER_PAUSE_NS)
            for id_, provider in drawn.items()
            if provider is None
        ],
    )
    copies = [
        _copy(row, provider)
        for row in rows
        if (provider := _pinned(row) or drawn[row.id]) is not None
    ]
    update_rows(
        tx.db,
        "UPDATE delivery SET state = 1, due_ns = NULL, provider = new.column2 {}"
        " WHERE delivery.id = new.column1",
        [(copy.id, copy.provider) for copy in copies],
    )
    return copies


def _due(tx: Tx, now_ns: int, limit: int, byte_limit: int) -> Iterator[_Row]:
    size = 0
    for row in map(_Row._make, tx.db.execute(CLAIM, (now_ns, limit))):
        if size and size + row.size_bytes > byte_limit:
            return
        size += row.size_bytes
        yield row


def _draw(tx: Tx, rows: list[_Row]) -> dict[int, ProviderId | None]:
    """The provider of each row, in the order in which they came."""
    drawn: dict[int, ProviderId | None] = {}
    for number, group in groupby(sorted(rows, key=_pool_of), _pool_of):
        pool = PoolId(number)
        shares = load_shares(tx, pool)
        for row in group:
            drawn[row.id] = draw(shares) if shares else None
        save_credits(tx, pool, shares)
    return drawn


def _pinned(row: _Row) -> ProviderId | None:
    return None if row.provider is None else ProviderId(row.provider)


def _pool_of(row: _Row) -> int:
    return row.pool


def _copy(row: _Row, provider: ProviderId) -> Copy:
    detail = decode_detail(row.detail)
    local, _, domain = row.recipient.rpartition("@")
    return Copy(
        id=DeliveryId(row.id),
        uuid=to_uuid(row.uuid),
        message=MessageId(row.message),
        message_uuid=to_uuid(row.message_uuid),
        sub_account=SubAccountId(row.sub_account),
        domain=DomainId(row.domain),
        content=ContentId(row.content),
        pool=PoolId(row.pool),
        provider=provider,
        sender=row.sender,
        recipient=Address(local, domain),
        fields=decode_fields(row.fields),
        to=detail.to,
        cc=detail.cc,
        tracking=detail.tracking,
        dimensions=detail.dimensions,
        submitted_ns=row.accepted_ns,
        attempts=row.attempts,
        size_bytes=row.size_bytes,
    )
