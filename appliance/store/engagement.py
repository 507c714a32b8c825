"""What recipients did: opens, clicks and unsubscribes, many to a commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from appliance.core.address import Address
from appliance.core.event import About, EventType, NewEvent, Scalar
from appliance.core.suppression import SuppressionReason
from appliance.store.about import about_deliveries
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx, in_list, to_uuid


@dataclass(frozen=True, slots=True)
class Engagement:
    """One open, click or unsubscribe; ``data`` may be hostile text."""

    type: EventType
    delivery: UUID
    at_ns: int
    data: Mapping[str, Scalar] = field(default_factory=dict)


def record_engagement(tx: Tx, items: Sequence[Engagement]) -> list[About | None]:
    """For each item the delivery it is about; a batch function.

    None, and nothing recorded, for a delivery that is not known. The first open
    and the first click of a delivery carry ``"first": true``. An unsubscribe
    suppresses the recipient; a repeated one succeeds again, and is recorded only if
    the suppression had been lifted in between.
    """
    if not items:
        return []
    uuids = list({item.delivery.bytes for item in items})
    known, seen = about_deliveries(tx, uuids), _seen(tx, uuids)
    answers: list[About | None] = []
    for item in items:
        about = known.get(item.delivery)
        answers.append(about)
        if about is not None:
            first = (item.delivery, item.type) not in seen
            seen.add((item.delivery, item.type))
            _record(tx, item, about, first=first)
    return answers


def _record(tx: Tx, item: Engagement, about: About, *, first: bool) -> None:
    data = dict(item.data)
    if item.type is EventType.UNSUBSCRIBED:
        local, _, domain = about.recipient.rpartition("@")
        is_new = add_suppression(
            tx,
            about.sub_account,
            Address(local, domain),
            reason=SuppressionReason.UNSUBSCRIBE,
            now_ns=item.at_ns,
        )
        if not (is_new or first):  # the wish is known already
            return
    elif first:
        data["first"] = True
    tx.emit(NewEvent(item.type, item.at_ns, about, data))


def _seen(tx: Tx, uuids: list[bytes]) -> set[tuple[UUID, EventType]]:
    rows = tx.db.execute(
        *in_list(
            "SELECT DISTINCT delivery, type FROM event"
            " WHERE delivery IN (:values) AND type IN (65, 66, 68)",
            uuids,
        )
    )
    return {(to_uuid(delivery), EventType(type_)) for delivery, type_ in rows}
