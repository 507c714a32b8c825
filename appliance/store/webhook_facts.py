"""Pages of the log of events with all that endpoints may be told of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from appliance.core.event import Event, EventType
from appliance.core.ids import AccountId, EventNumber, ProviderId, SubAccountId
from appliance.core.webhook import UNKNOWN_MAIL, Fact, Mail, Span, Spans
from appliance.store.detail_codec import decode_detail, decode_fields
from appliance.store.events import list_events
from appliance.store.recipient_classes import classes_of
from appliance.store.rows import portions
from appliance.store.transaction import View, in_list, to_uuid

AT_A_TIME = 512  # values in one question
_CONTEXT = (
    "SELECT d.uuid, m.subject, m.accepted_ns, m.webhook_url, d.pool, d.provider,"
    " d.domain, m.detail, d.fields, CASE WHEN m.webhook_url = '' THEN 0 ELSE"
    " EXISTS (SELECT 1 FROM webhook AS w WHERE w.dialect = ''"
    " AND w.sub_account = m.sub_account AND w.url = m.webhook_url) END"
    " FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message"
    " WHERE d.uuid IN (:values)"
)
_SENT = (
    "SELECT delivery, max(at_ns) FROM event WHERE delivery IN (:values)"  # noqa: S608 - our own text
    f" AND type = {int(EventType.SENT)} GROUP BY delivery"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Events behind a number, in order.

    ``last`` is the number to go on from. ``oldest`` is the first number that is still
    in the log, 0 if it is empty: what is between is forgotten.
    """

    facts: tuple[Fact, ...]
    last: EventNumber
    oldest: EventNumber


def load_page(view: View, after: int, limit: int, upto: int | None = None) -> Page:
    """The first ``limit`` events behind ``after``, none of them behind ``upto``."""
    events = list_events(view, after=after, upto=upto, limit=limit)
    (oldest,) = view.db.execute("SELECT coalesce(min(number), 0) FROM event").fetchone()
    last = events[-1].number if events else EventNumber(after)
    return Page(tuple(load_facts(view, events)), last, EventNumber(oldest))


def load_spans(view: View) -> Spans:
    """Of each provider that ever had an agent, when its word counts."""
    rows = view.db.execute(
        "SELECT id, agent_since_ns, agent_until_ns FROM provider"
        " WHERE agent_since_ns IS NOT NULL"
    )
    return {ProviderId(id_): Span(since, until) for id_, since, until in rows}


def load_facts(view: View, events: Sequence[Event]) -> list[Fact]:
    """These events, each with what may be told of it."""
    accounts = _accounts(view)
    spans = load_spans(view)
    mails = _mails(view, events)
    classes = classes_of(view, sorted({_domain(one) for one in events}))
    found = []
    for event in events:
        mail, apart = mails.get(event.about.delivery, (UNKNOWN_MAIL, False))
        account = accounts.get(event.about.sub_account, AccountId(0))
        arrival = _is_arrival(event, mail, spans)
        kind = classes[_domain(event)]
        found.append(Fact(event, account, mail, arrival, apart, kind))
    return found


def _domain(event: Event) -> str:
    return event.about.recipient.rpartition("@")[2]


def _is_arrival(event: Event, mail: Mail, spans: Spans) -> bool:
    """True for the one of the two events by which this mail counts as delivered."""
    span = spans.get(ProviderId(mail.provider), Span())
    match event.type:
        case EventType.SENT:
            return not span.holds(event.at_ns)
        case EventType.DELIVERED:
            return span.holds(mail.sent_ns or event.at_ns)
    return False


def _accounts(view: View) -> dict[SubAccountId, AccountId]:
    rows = view.db.execute("SELECT id, account FROM sub_account")
    return {SubAccountId(id_): AccountId(account) for id_, account in rows}


def _mails(view: View, events: Sequence[Event]) -> Mapping[UUID, tuple[Mail, bool]]:
    uuids = list({one.about.delivery.bytes for one in events})
    delivered = {
        one.about.delivery.bytes for one in events if one.type is EventType.DELIVERED
    }
    sent: dict[bytes, int] = {}
    for some in portions(list(delivered), AT_A_TIME):
        sent |= dict(view.db.execute(*in_list(_SENT, some)).fetchall())
    found: dict[UUID, tuple[Mail, bool]] = {}
    for some in portions(uuids, AT_A_TIME):
        rows = view.db.execute(*in_list(_CONTEXT, some))
        for uuid, subject, accepted_ns, url, *ids, detail, values, apart in rows:
            told = decode_detail(detail)
            pool, provider, domain = ids
            found[to_uuid(uuid)] = (
                Mail(
                    subject=subject,
                    accepted_ns=accepted_ns,
                    webhook_url=url,
                    pool=pool,
                    provider=provider or 0,
                    domain=domain,
                    to=told.to,
                    cc=told.cc,
                    tracking=told.tracking,
                    sent_ns=sent.get(uuid, 0),
                    sender_name=told.sender_name,
                    reply_to=told.reply_to,
                    message_id=told.message_id,
                    headers=dict(told.headers),
                    fields=decode_fields(values),
                ),
                bool(apart),
            )
    return found
