"""Everything about one message, read at one moment."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from appliance.core.address import Address
from appliance.core.delivery import Role, State
from appliance.core.event import EventFilter
from appliance.core.ids import DeliveryId, ProviderId, SubAccountId
from appliance.core.story import Head, Key, Plot, Story, Verdict
from appliance.core.suppression import Mail, Stop, WholeDomain
from appliance.store.attempts import list_attempts
from appliance.store.deferrals import get_deferral
from appliance.store.detail_codec import decode_dimensions
from appliance.store.domains import get_domain
from appliance.store.engagement import get_tally
from appliance.store.events import list_events
from appliance.store.health import load_health
from appliance.store.suppressions import get_suppressions
from appliance.store.tokens import Tokens
from appliance.store.transaction import View, to_uuid
from appliance.store.waits import load_waits

MAX_COPIES = 100
MAX_EVENTS = 2_000

_PlotRow: TypeAlias = tuple[
    int,
    bytes,
    int,
    str,
    int,
    int,
    str,
    int | None,
    int | None,
    int,
    str,
    str,
    int,
    int | None,
    int | None,
    int | None,
    str,
    int,
]
_PLOT = (
    "SELECT d.id, d.uuid, d.role, d.recipient, d.state, d.attempts,"
    " coalesce(pool.name, ''), d.provider,"
    " iif(pool.routing = 2, share.percent, NULL), d.last_code, d.last_text,"
    " d.waits_for, d.created_ns, d.due_ns, d.settled_ns, d.dot_ns, d.draw, d.queue"
    " FROM delivery AS d"
    " LEFT JOIN pool ON pool.id = d.pool LEFT JOIN pool_share AS share"
    " ON share.pool = d.pool AND share.provider = d.provider AND share.route = ''"
)


@dataclass(frozen=True, slots=True)
class _Around:
    """What all copies of a message have in common."""

    sub_account: SubAccountId
    mail: Mail
    limits: Tokens
    now_ns: int


def explain(view: View, uuid: UUID, now_ns: int) -> Story | None:
    """The story of the message with this UUID, or of one delivery of it by its own.

    None if nothing of that name is known.
    """
    events = tuple(list_events(view, EventFilter(message=uuid), limit=MAX_EVENTS))
    row = view.db.execute(
        "SELECT id, uuid, sub_account, sender, detail FROM message"
        " WHERE id = (SELECT message FROM delivery WHERE uuid = ?)",
        (uuid.bytes,),
    ).fetchone()
    if row is None and not events:
        return None
    plots: tuple[Plot, ...] = ()
    more = 0
    if row is not None:
        message, message_uuid, sub_account, sender, detail = row
        whole = to_uuid(message_uuid) == uuid
        rows, more = _plot_rows(view, message, None if whole else uuid)
        around = _Around(
            SubAccountId(sub_account),
            Mail(decode_dimensions(detail).topic, sender.rpartition("@")[2]),
            load_waits(view, now_ns),
            now_ns,
        )
        plots = tuple(_plot(view, row, around) for row in rows)
    names = view.db.execute("SELECT id, name FROM provider")
    return Story(
        head=None if row is None else _head(view, row[0]),
        plots=plots,
        more=more,
        events=events,
        providers={ProviderId(id_): name for id_, name in names},
        health=load_health(view),
    )


def _head(view: View, message: int) -> Head:
    row = view.db.execute(
        "SELECT m.uuid, m.sub_account, coalesce(s.name, ''), m.credential,"
        " coalesce(d.name, ''), m.sender, m.subject, m.size_bytes, m.accepted_ns"
        " FROM message AS m LEFT JOIN sub_account AS s ON s.id = m.sub_account"
        " LEFT JOIN sender_domain AS d ON d.id = m.domain WHERE m.id = ?",
        (message,),
    ).fetchone()
    uuid, sub_account, name, credential, domain, *rest = row
    owner = SubAccountId(sub_account)
    known = get_domain(view, owner, domain) if domain else None
    key = _key(view, credential)
    return Head(
        to_uuid(uuid),
        owner,
        name,
        key,
        credential is not None and key is None,
        domain,
        known is not None and known.verified,
        *rest,
    )


def _key(view: View, credential: int | None) -> Key | None:
    row = view.db.execute(
        "SELECT uuid, name, hint, dialect, scope, revoked_ns FROM credential"
        " WHERE id = ?",
        (credential,),
    ).fetchone()
    return None if row is None else Key(to_uuid(row[0]), *row[1:])


def _plot_rows(
    view: View, message: int, only: UUID | None
) -> tuple[list[_PlotRow], int]:
    """The copies of a message, or one of them, and how many are left out."""
    if only is not None:
        rows = view.db.execute(f"{_PLOT} WHERE d.uuid = ?", (only.bytes,)).fetchall()
        return rows, 0
    rows = view.db.execute(
        f"{_PLOT} WHERE d.message = ? ORDER BY d.id LIMIT ?", (message, MAX_COPIES)
    ).fetchall()
    (all_,) = view.db.execute(
        "SELECT count(*) FROM delivery WHERE message = ?", (message,)
    ).fetchone()
    return rows, all_ - len(rows)


def _plot(view: View, row: _PlotRow, around: _Around) -> Plot:
    id_, uuid, role, recipient, state, attempts, pool, provider, share, *_ = row
    return Plot(
        id=DeliveryId(id_),
        uuid=to_uuid(uuid),
        role=Role(role),
        recipient=recipient,
        state=State(state),
        attempts=attempts,
        pool=pool,
        provider=None if provider is None else ProviderId(provider),
        share=share,
        draw=row[16],
        last_code=row[9],
        last_text=row[10],
        waits_for=row[11],
        limit=around.limits.of_waiting(State(state), provider, row[17], row[13]),
        created_ns=row[12],
        due_ns=row[13],
        settled_ns=row[14],
        dot_ns=row[15],
        suppression=_verdict(view, around, recipient),
        tries=tuple(list_attempts(view, DeliveryId(id_))),
        deferral=get_deferral(view, DeliveryId(id_)),
        engagement=get_tally(view, DeliveryId(id_)),
    )


def _verdict(view: View, around: _Around, recipient: str) -> Verdict | None:
    """Why this recipient does not get this mail, in the order memory looks for it."""
    local, _, domain = recipient.rpartition("@")
    for target in (Address(local, domain), WholeDomain(domain)):
        for one in get_suppressions(
            view, around.sub_account, target, now_ns=around.now_ns
        ):
            if one.scope not in around.mail.scopes:
                continue
            label = Stop(one.reason, one.scope).label
            if isinstance(target, WholeDomain):
                label += f", {target}"
            return Verdict(label, one.at_ns, one.description)
    return None
