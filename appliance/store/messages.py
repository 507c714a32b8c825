"""Accepting messages, and looking at them afterwards.

``accept`` is the walk's first half: what it returns is on disk, and the mail
is the relay's from then on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias
from uuid import UUID

from appliance import failpoint
from appliance.core.delivery import NewDelivery, State
from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import ContentId, SubAccountId
from appliance.core.message import NewMessage, Request
from appliance.core.submission import AnyContent
from appliance.core.suppression import suppressed_data
from appliance.store.content_codec import encode_content
from appliance.store.detail_codec import encode_detail, encode_fields
from appliance.store.idempotency import Earlier, take_keys
from appliance.store.rows import Row, all_ids, insert_rows
from appliance.store.transaction import Tx, View, to_uuid
from appliance.store.webhooks import ensure_per_message

MAX_SUBJECT = 998  # RFC 5322 2.1.1; the whole one is in the content


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """Where one recipient's copy stands; ``due_ns`` is set while it is queued."""

    uuid: UUID
    message: UUID
    sub_account: SubAccountId
    sender: str
    recipient: str
    subject: str
    pool: str
    provider: str
    state: State
    attempts: int
    last_code: int
    last_text: str
    created_ns: int
    due_ns: int | None
    settled_ns: int | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A request that is on disk now, with the ids of its messages' contents."""

    contents: tuple[ContentId, ...]


@dataclass(frozen=True, slots=True)
class PoolGone:
    """A request of which nothing is stored: its pool is no longer there."""


Answer: TypeAlias = Stored | Earlier | PoolGone


def accept(tx: Tx, requests: Sequence[Request]) -> list[Answer]:
    """For each request what became of it; a batch function.

    A content object that several messages of the batch hold is stored once. Each
    delivery is recorded as processed, and one that is dropped from the start as
    dropped right behind it, with its reason. Nothing is stored of a request that
    came before under its key: its answer is the earlier one.
    """
    pools = frozenset(all_ids(tx.db, "pool"))
    sendable = [
        request
        for request in requests
        if all(message.pool in pools for message in request.messages)
    ]
    earlier = take_keys(tx, sendable)
    contents = _insert(
        tx,
        [
            message
            for request in sendable
            if id(request) not in earlier
            for message in request.messages
        ],
    )
    failpoint.reach("intake.before_commit")
    answers: dict[int, Answer] = {
        id(request): earlier.get(id(request)) or _stored(request, contents)
        for request in sendable
    }
    return [answers.get(id(request), PoolGone()) for request in requests]


def _stored(request: Request, contents: Mapping[int, ContentId]) -> Stored:
    return Stored(
        tuple(contents[id(one.submission.content)] for one in request.messages)
    )


def _insert(tx: Tx, messages: Sequence[NewMessage]) -> dict[int, ContentId]:
    """Store the messages; the row of each content object, by its identity."""
    contents = _insert_contents(tx, messages)
    first = tx.next_id("message")
    insert_rows(
        tx.db,
        "INSERT INTO message",
        [
            _message_row(number, message, contents[id(message.submission.content)])
            for number, message in enumerate(messages, first)
        ],
    )
    delivery_ids = count(tx.next_id("delivery"))
    insert_rows(
        tx.db,
        "INSERT INTO delivery (id, uuid, message, sub_account, domain, pool, role,"
        " recipient, recipient_domain, fields, state, due_ns, last_text, created_ns,"
        " settled_ns)",
        [
            (next(delivery_ids), *_delivery_columns(number, message, delivery))
            for number, message in enumerate(messages, first)
            for delivery in message.deliveries
        ],
    )
    _name_endpoints(tx, messages)
    for message in messages:
        for event in _events(message):
            tx.emit(event)
    return contents


def _name_endpoints(tx: Tx, messages: Sequence[NewMessage]) -> None:
    named = {
        (one.sub_account, one.submission.webhook_url): one.accepted_ns
        for one in messages
        if one.submission.webhook_url
    }
    if named:
        ensure_per_message(tx, named)


def get_message(view: View, uuid: UUID) -> list[DeliveryStatus]:
    """All deliveries of the message that has this UUID, or a delivery with it.

    Empty if there is none.
    """
    return _load(
        view,
        "WHERE d.message = (SELECT message FROM delivery WHERE uuid = ?) ORDER BY d.id",
        uuid.bytes,
    )


def list_recent(view: View, limit: int) -> list[DeliveryStatus]:
    """The deliveries that came in last, newest first."""
    return _load(view, "ORDER BY d.id DESC LIMIT ?", limit)


def _insert_contents(tx: Tx, messages: Sequence[NewMessage]) -> dict[int, ContentId]:
    """The row of each content object, by the object's identity."""
    distinct: dict[int, AnyContent] = {
        id(one.submission.content): one.submission.content for one in messages
    }
    first = tx.next_id("content")
    insert_rows(
        tx.db,
        "INSERT INTO content",
        [
            (number, encode_content(content))
            for number, content in enumerate(distinct.values(), first)
        ],
    )
    return {key: ContentId(number) for number, key in enumerate(distinct, first)}


def _message_row(number: int, message: NewMessage, content: ContentId) -> Row:
    submission = message.submission
    return (
        number,
        message.deliveries[0].uuid.bytes,
        message.sub_account,
        message.credential,
        message.domain,
        content,
        message.pool,
        str(submission.content.sender.address),
        submission.content.subject[:MAX_SUBJECT],
        submission.content.size_bytes,
        submission.webhook_url,
        encode_detail(submission),
        message.accepted_ns,
    )


def _delivery_columns(number: int, message: NewMessage, delivery: NewDelivery) -> Row:
    recipient, now = delivery.recipient, message.accepted_ns
    state, due, settled = (
        (State.DROPPED, None, now) if delivery.dropped else (State.QUEUED, now, None)
    )
    return (
        delivery.uuid.bytes,
        number,
        message.sub_account,
        message.domain,
        message.pool,
        int(delivery.role),
        str(recipient.mailbox.address),
        recipient.mailbox.address.domain,
        encode_fields(recipient.fields),
        int(state),
        due,
        delivery.dropped,
        now,
        settled,
    )


def _events(message: NewMessage) -> Iterator[NewEvent]:
    sender = str(message.submission.content.sender.address)
    for delivery in message.deliveries:
        about = About(
            sub_account=message.sub_account,
            message=message.deliveries[0].uuid,
            delivery=delivery.uuid,
            sender=sender,
            recipient=str(delivery.recipient.mailbox.address),
            pool=message.pool_name,
            dimensions=message.submission.dimensions,
        )
        yield NewEvent(EventType.PROCESSED, message.accepted_ns, about)
        if delivery.dropped:
            why = {} if delivery.stop is None else suppressed_data(delivery.stop)
            data = {"reason": delivery.dropped, **why}
            yield NewEvent(EventType.DROPPED, message.accepted_ns, about, data)


_STATUS = (
    "SELECT d.uuid, m.uuid, d.sub_account, m.sender, d.recipient, m.subject,"
    " coalesce(pool.name, ''), coalesce(provider.name, ''), d.state, d.attempts,"
    " d.last_code, d.last_text, d.created_ns, d.due_ns, d.settled_ns"
    " FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message"
    " LEFT JOIN pool ON pool.id = d.pool"
    " LEFT JOIN provider ON provider.id = d.provider "
)
_StatusRow: TypeAlias = tuple[
    bytes,
    bytes,
    int,
    str,
    str,
    str,
    str,
    str,
    int,
    int,
    int,
    str,
    int,
    int | None,
    int | None,
]


def _load(view: View, tail: str, value: bytes | int) -> list[DeliveryStatus]:
    return list(map(_status, view.db.execute(_STATUS + tail, (value,))))


def _status(row: _StatusRow) -> DeliveryStatus:
    uuid, message, sub_account, *_ = row
    return DeliveryStatus(
        uuid=to_uuid(uuid),
        message=to_uuid(message),
        sub_account=SubAccountId(sub_account),
        sender=row[3],
        recipient=row[4],
        subject=row[5],
        pool=row[6],
        provider=row[7],
        state=State(row[8]),
        attempts=row[9],
        last_code=row[10],
        last_text=row[11],
        created_ns=row[12],
        due_ns=row[13],
        settled_ns=row[14],
    )
