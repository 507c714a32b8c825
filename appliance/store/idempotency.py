"""Requests that name themselves: the second one gets the answer of the first.

A key is taken in the transaction that stores its request, so of two at the same
moment one is stored and the other finds it (ATTACKS 11). Keys are hashes; what
was answered is kept as the ids of the deliveries, message by message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from appliance.core.ids import SubAccountId
from appliance.core.message import Request
from appliance.store.rows import insert_rows
from appliance.store.transaction import Tx, in_list, to_uuid

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[bytes]]).decode


@dataclass(frozen=True, slots=True)
class Earlier:
    """What came before under the same key.

    ``deliveries`` are those of each message, in order; ``same`` is False if it was
    another request that the key was used for.
    """

    deliveries: tuple[tuple[UUID, ...], ...]
    accepted_ns: int
    same: bool


@dataclass(frozen=True, slots=True)
class _Taken:
    fingerprint: bytes
    deliveries: tuple[tuple[UUID, ...], ...]
    at_ns: int


def take_keys(tx: Tx, requests: Sequence[Request]) -> dict[int, Earlier]:
    """Take the keys that are free, for requests about to be stored.

    What is returned is known by the ``id()`` of its request: those whose key was
    taken, also by another request of this batch, and that must not be stored.
    """
    named = [one for one in requests if one.idempotency is not None]
    if not named:
        return {}
    taken = _look_up(tx, named)
    earlier: dict[int, Earlier] = {}
    fresh: dict[tuple[SubAccountId, bytes], _Taken] = {}
    for request in named:
        key = _key(request)
        found = fresh.get(key) or _valid(taken.get(key), request)
        if found is None:
            fresh[key] = _take(request)
        else:
            earlier[id(request)] = _answer(request, found)
    _remember(tx, fresh)
    return earlier


def forget_keys(tx: Tx, before_ns: int, batch: int) -> int:
    """How many keys were removed that were used before that time, ``batch`` at most."""
    return tx.db.execute(
        "DELETE FROM idempotency WHERE (sub_account, key) IN (SELECT sub_account, key"
        " FROM idempotency WHERE at_ns < ? ORDER BY at_ns LIMIT ?)",
        (before_ns, batch),
    ).rowcount


def _key(request: Request) -> tuple[SubAccountId, bytes]:
    assert request.idempotency is not None
    return request.sub_account, request.idempotency.key


def _valid(found: _Taken | None, request: Request) -> _Taken | None:
    assert request.idempotency is not None
    if found is None or found.at_ns < request.idempotency.since_ns:
        return None
    return found


def _answer(request: Request, found: _Taken) -> Earlier:
    assert request.idempotency is not None
    same = found.fingerprint == request.idempotency.fingerprint
    return Earlier(found.deliveries, found.at_ns, same)


def _take(request: Request) -> _Taken:
    assert request.idempotency is not None
    return _Taken(
        request.idempotency.fingerprint,
        tuple(
            tuple(delivery.uuid for delivery in message.deliveries)
            for message in request.messages
        ),
        request.messages[0].accepted_ns,
    )


def _look_up(
    tx: Tx, named: Sequence[Request]
) -> dict[tuple[SubAccountId, bytes], _Taken]:
    rows = tx.db.execute(
        *in_list(
            "SELECT sub_account, key, fingerprint, deliveries, at_ns FROM idempotency"
            " WHERE key IN (:values)",
            list({_key(one)[1] for one in named}),
        )
    )
    return {
        (SubAccountId(sub_account), key): _Taken(fingerprint, _ids(deliveries), at_ns)
        for sub_account, key, fingerprint, deliveries, at_ns in rows
    }


def _ids(data: bytes) -> tuple[tuple[UUID, ...], ...]:
    return tuple(tuple(map(to_uuid, message)) for message in _decode(data))


def _remember(tx: Tx, fresh: dict[tuple[SubAccountId, bytes], _Taken]) -> None:
    insert_rows(
        tx.db,
        "INSERT OR REPLACE INTO idempotency",  # an old one may be under the key
        [
            (
                sub_account,
                key,
                one.fingerprint,
                _encode([[uuid.bytes for uuid in ids] for ids in one.deliveries]),
                one.at_ns,
            )
            for (sub_account, key), one in fresh.items()
        ],
    )
