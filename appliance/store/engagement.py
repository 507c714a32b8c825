"""What recipients did: opens, clicks and unsubscribes, many to a commit.

Each hit is an event, and counted beside its delivery: in all, and of people. So what
came before need not be looked for in the log, however many hits there were.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from uuid import UUID

from appliance.core.address import Address
from appliance.core.delivery import State
from appliance.core.engagement import NO_SIGN, Judgement, Tally, judge_moment
from appliance.core.event import About, EventType, NewEvent, Scalar
from appliance.core.ids import DeliveryId
from appliance.core.suppression import Scope, SuppressionReason
from appliance.store.about import COLUMNS, TABLES, to_about
from appliance.store.rows import insert_rows
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx, View, in_list

# One question for all of it, since every hit asks.
_SELECT = (
    f"SELECT {COLUMNS}, d.id, d.state, d.settled_ns, coalesce(e.opens, 0),"  # noqa: S608 - our own text
    " coalesce(e.human_opens, 0), coalesce(e.clicks, 0), coalesce(e.human_clicks, 0),"
    f" coalesce(e.unsubscribes, 0) FROM {TABLES}"
    " LEFT JOIN engagement AS e ON e.delivery = d.id WHERE d.uuid IN (:values)"
)
_ABOUT = 8  # so many columns are those of ``about``
_INSERT = (
    "INSERT INTO engagement (delivery, opens, human_opens, clicks, human_clicks,"
    " unsubscribes)"
)
_AGAIN = (
    " ON CONFLICT (delivery) DO UPDATE SET opens = excluded.opens,"
    " human_opens = excluded.human_opens, clicks = excluded.clicks,"
    " human_clicks = excluded.human_clicks, unsubscribes = excluded.unsubscribes"
)


@dataclass(frozen=True, slots=True)
class Engagement:
    """One open, click or unsubscribe; ``data`` may be hostile text.

    ``said`` is what its visitor is, but for how soon it came.
    """

    type: EventType
    delivery: UUID
    at_ns: int
    data: Mapping[str, Scalar] = field(default_factory=dict)
    said: Judgement = NO_SIGN


def record_engagement(tx: Tx, items: Sequence[Engagement]) -> list[About | None]:
    """For each item the delivery it is about; a batch function.

    None, and nothing recorded, for a delivery that is not known. Each open and click
    carries its ``verdict``; the first of a delivery ``"first": true``, the first of a
    person ``"firstHuman": true``. An unsubscribe suppresses the recipient, for the
    topic of the mail if it has one; a repeated one succeeds again, and is recorded
    only if the suppression had been lifted in between.
    """
    if not items:
        return []
    uuids = list({item.delivery.bytes for item in items})
    known = {one.about.delivery: one for one in _look_up(tx, uuids)}
    answers: list[About | None] = []
    for item in items:
        counted = known.get(item.delivery)
        answers.append(None if counted is None else counted.about)
        if counted is not None:
            _record(tx, item, counted)
    rows = [(one.id, *one.hits) for one in known.values()]
    insert_rows(tx.db, _INSERT, rows, _AGAIN)
    return answers


def get_tally(view: View, delivery: DeliveryId) -> Tally | None:
    """How often a mail was opened and clicked, None if it never was."""
    row = view.db.execute(
        "SELECT opens, human_opens, clicks, human_clicks FROM engagement"
        " WHERE delivery = ?",
        (delivery,),
    ).fetchone()
    return None if row is None else Tally(*row)


class _Column(IntEnum):
    """What is counted, in the order of the table's columns."""

    OPENS = 0
    HUMAN_OPENS = 1
    CLICKS = 2
    HUMAN_CLICKS = 3
    UNSUBSCRIBES = 4


@dataclass(slots=True)
class _Counted:
    """A delivery, where it stands, and what its hits come to, by ``_Column``."""

    about: About
    id: int
    state: int
    settled_ns: int | None
    hits: list[int]

    def add(self, column: _Column) -> bool:
        """Count one more; True if it is the first of its kind."""
        self.hits[column] += 1
        return self.hits[column] == 1

    def since_sent_ns(self, at_ns: int) -> int | None:
        """How long ago it left at that moment; 0 if it is just leaving."""
        if self.state == State.IN_FLIGHT:
            return 0
        if self.state != State.SENT or self.settled_ns is None:
            return None
        return at_ns - self.settled_ns


def _look_up(tx: Tx, uuids: list[bytes]) -> Iterator[_Counted]:
    for row in tx.db.execute(*in_list(_SELECT, uuids)):
        id_, state, settled_ns, *hits = row[_ABOUT:]
        yield _Counted(to_about(row[:_ABOUT]), id_, state, settled_ns, hits)


def _record(tx: Tx, item: Engagement, counted: _Counted) -> None:
    about = counted.about
    if item.type is EventType.UNSUBSCRIBED:
        is_first = counted.add(_Column.UNSUBSCRIBES)
        if not (_suppress(tx, item, about) or is_first):  # the wish is known already
            return
        data = dict(item.data)
    else:
        data = _judged(item, counted)
    tx.emit(NewEvent(item.type, item.at_ns, about, data))


def _judged(item: Engagement, counted: _Counted) -> dict[str, Scalar]:
    """The data of an open or a click, with who made it and whether it is a first."""
    is_click = item.type is EventType.CLICKED
    since_ns = counted.since_sent_ns(item.at_ns)
    said = judge_moment(item.said, since_ns, is_click=is_click)
    data = {
        **item.data,
        "verdict": said.verdict.value,
        "verdictReason": said.reason,
    }
    if counted.add(_Column.CLICKS if is_click else _Column.OPENS):
        data["first"] = True
    people = _Column.HUMAN_CLICKS if is_click else _Column.HUMAN_OPENS
    if said.human and counted.add(people):
        data["firstHuman"] = True
    return data


def _suppress(tx: Tx, item: Engagement, about: About) -> bool:
    local, _, domain = about.recipient.rpartition("@")
    return add_suppression(
        tx,
        about.sub_account,
        Address(local, domain),
        reason=SuppressionReason.UNSUBSCRIBE,
        now_ns=item.at_ns,
        delivery=about.delivery,
        scope=Scope(about.dimensions.topic),
    )
