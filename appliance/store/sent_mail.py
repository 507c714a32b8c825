"""Looking up what an account has sent, and what became of it, newest first."""

from typing import TypeAlias
from uuid import UUID

from appliance.core.address import Address, Mailbox
from appliance.core.delivery import Role
from appliance.core.event import EventFilter, EventType
from appliance.core.ids import AccountId, ContentId, PoolId, SubAccountId
from appliance.core.sent_mail import SentMail
from appliance.core.submission import Content
from appliance.core.webhook import Fact
from appliance.store.contents import load_contents
from appliance.store.detail_codec import decode_detail, decode_fields
from appliance.store.events import filter_clauses, filter_values, to_event
from appliance.store.recipient_classes import classes_of
from appliance.store.transaction import View, to_uuid
from appliance.store.webhook_facts import load_facts

_OF_ACCOUNT = "sub_account IN (SELECT id FROM sub_account WHERE account = :account)"
_TRIED = (
    f"(type <> {int(EventType.DROPPED)}"
    " OR (json_extract(data, '$.stage') IS NOT NULL) = :tried)"
)
_MAIL = (
    "SELECT m.uuid, m.sub_account, m.sender, m.subject, m.accepted_ns, m.pool,"  # noqa: S608 - our own text
    " coalesce(pool.name, ''), m.webhook_url, m.detail, m.content, m.id"
    " FROM message AS m LEFT JOIN pool ON pool.id = m.pool"
    f" WHERE m.{_OF_ACCOUNT} AND "
)
_Row: TypeAlias = tuple[bytes, int, str, str, int, int, str, str, bytes, int, int]


def find_events(
    view: View,
    account: AccountId,
    wanted: EventFilter,
    *,
    offset: int,
    limit: int,
    tried: bool | None = None,
) -> list[Fact]:
    """Events of an account, with what belongs to them, the youngest first.

    Of drops only those after a server was ``tried``, or only the others, unless it is
    None. Reads the index of times from the end of the span that is wanted.
    """
    values = filter_values(wanted)
    since, until = values.pop("since", 0), values.pop("until", 2**63 - 1)
    clauses = [*filter_clauses(values), _OF_ACCOUNT]
    if tried is not None:
        clauses.append(_TRIED)
    rows = view.db.execute(
        "SELECT * FROM event INDEXED BY event_at"  # noqa: S608 - our own text
        f" WHERE at_ns >= :since AND at_ns < :until AND {' AND '.join(clauses)}"
        " ORDER BY at_ns DESC, number DESC LIMIT :limit OFFSET :offset",
        values
        | {"since": since, "until": until, "account": account}
        | {"limit": limit, "offset": offset, "tried": tried},
    )
    return load_facts(view, [to_event(row) for row in rows])


def provider_name(view: View, number: int) -> str | None:
    """The name of the provider with that number."""
    row = view.db.execute("SELECT name FROM provider WHERE id = ?", (number,))
    found = row.fetchone()
    return None if found is None else str(found[0])


def find_mail(
    view: View,
    account: AccountId,
    since_ns: int,
    until_ns: int,
    *,
    offset: int,
    limit: int,
) -> list[SentMail]:
    """Messages of an account by when they were accepted, without their content."""
    rows = view.db.execute(
        f"{_MAIL} m.accepted_ns >= :since AND m.accepted_ns < :until"
        " ORDER BY m.accepted_ns DESC, m.id DESC LIMIT :limit OFFSET :offset",
        {
            "account": account,
            "since": since_ns,
            "until": until_ns,
            "limit": limit,
            "offset": offset,
        },
    )
    return [_mail(view, account, row) for row in rows.fetchall()]


def get_mail(view: View, account: AccountId, uuid: UUID) -> SentMail | None:
    """The message with that UUID, or of the delivery with it; None for no such."""
    row = view.db.execute(
        f"{_MAIL} m.id = (SELECT message FROM delivery WHERE uuid = :uuid)",  # noqa: S608
        {"account": account, "uuid": uuid.bytes},
    ).fetchone()
    if row is None:
        return None
    number = ContentId(row[9])
    content = load_contents(view, [number]).get(number)
    return _mail(view, account, row, content if isinstance(content, Content) else None)


def _mail(
    view: View, account: AccountId, row: _Row, content: Content | None = None
) -> SentMail:
    uuid, sub_account, sender, subject, accepted_ns, pool, *_, number = row
    detail = decode_detail(row[8])
    copies = view.db.execute(
        "SELECT role, recipient, fields, attempts FROM delivery WHERE message = ?"
        " ORDER BY id",
        (number,),
    ).fetchall()
    first = copies[0]
    domain = first[1].rpartition("@")[2]
    return SentMail(
        uuid=to_uuid(uuid),
        account=account,
        sub_account=SubAccountId(sub_account),
        sender=sender,
        subject=subject,
        accepted_ns=accepted_ns,
        pool=PoolId(pool),
        pool_name=row[6],
        webhook_url=row[7],
        attempts=max(one[3] for one in copies),
        to=detail.to or (_mailbox(first[1]),),
        cc=detail.cc,
        bcc=tuple(one[1] for one in copies if one[0] == Role.BCC),
        tracking=detail.tracking,
        dimensions=detail.dimensions,
        fields=decode_fields(first[2]),
        recipient_class=classes_of(view, [domain])[domain],
        sender_name=detail.sender_name,
        reply_to=detail.reply_to,
        headers=dict(detail.headers),
        content=content,
    )


def _mailbox(text: str) -> Mailbox:
    local, _, domain = text.rpartition("@")
    return Mailbox(Address(local, domain))
