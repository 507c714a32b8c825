"""What upstreams' logs say became of deliveries, many to a commit.

A reporter is believed about what its own upstream was given and about nothing else.
However many reports there are, each question to the database is asked for hundreds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from appliance.core.address import Address, parse_address
from appliance.core.delivery import State
from appliance.core.doubt import REPORTED
from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import DeliveryId, ProviderId
from appliance.core.report import ENDS, Report, is_news
from appliance.core.suppression import SuppressionReason
from appliance.store.about import about_deliveries
from appliance.store.deferrals import Delay, note_delays
from appliance.store.doubt import prove_sent
from appliance.store.rows import portions
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx, View, in_list, to_uuid

AT_A_TIME = 512  # values in one question


@dataclass(frozen=True, slots=True)
class Batch:
    """What one reporter handed in together; ``provider`` is whom its key is of."""

    provider: ProviderId
    reports: tuple[Report, ...]
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Given:
    """A delivery as a report finds it."""

    id: DeliveryId
    provider: ProviderId | None
    went: bool
    in_doubt: bool
    accepted_ns: int
    about: About


_Good: TypeAlias = Sequence[tuple[_Given, Report, int]]


def record_reports(tx: Tx, items: Sequence[Batch]) -> list[list[bool]]:
    """For each report of each batch whether it was believed; a batch function.

    It is if the delivery went to that provider. Believed is also what was known; of
    what is new there is an event, but for what was put off: that is kept apart. A
    hard bounce suppresses the recipient. Whatever is reported of a delivery in doubt
    proves that it was sent.
    """
    uuids = {one.delivery.bytes for item in items for one in item.reports}
    known = _look_up(tx, list(uuids))
    believed = [
        [_is_of(item.provider, known.get(one.delivery)) for one in item.reports]
        for item in items
    ]
    good = [
        (known[one.delivery], one, item.at_ns)
        for item, answers in zip(items, believed, strict=True)
        for one, counts in zip(item.reports, answers, strict=True)
        if counts
    ]
    _settle_doubts(tx, good)
    _record(tx, good)
    for item in items:
        _note_seen(tx, item)
    return believed


def _settle_doubts(tx: Tx, good: _Good) -> None:
    doubted = {
        given.about.delivery.bytes: now_ns
        for given, _, now_ns in good
        if given.in_doubt
    }
    for some in portions(list(doubted), AT_A_TIME):
        prove_sent(tx, some, REPORTED, max(doubted.values()))


def _record(tx: Tx, good: _Good) -> None:
    seen = _ends(tx, list({given.about.delivery.bytes for given, _, _ in good}))
    delays = []
    for given, report, now_ns in good:
        at_ns = report.moment(given.accepted_ns, now_ns)
        if report.type is EventType.DEFERRED:
            delays.append(Delay(given.id, at_ns, report))
            continue
        ends = seen.setdefault(given.about.delivery, set())
        if is_news(report.type, ends):
            ends.add(report.type)
            _tell(tx, given.about, report, at_ns)
    note_delays(tx, delays)


def _tell(tx: Tx, about: About, report: Report, at_ns: int) -> None:
    data = dict(report.data)
    local, _, domain = about.recipient.rpartition("@")
    address = Address(local, domain)
    ours = _names(report.recipient, address)
    if not ours:
        data["recipient"] = report.recipient
    tx.emit(NewEvent(report.type, at_ns, about, data))
    if report.type is EventType.HARD_BOUNCED and ours:
        add_suppression(
            tx,
            about.sub_account,
            address,
            reason=SuppressionReason.HARD_BOUNCE,
            now_ns=at_ns,
            description=str(data.get("text", "")),
            delivery=about.delivery,
        )


def _names(recipient: str, address: Address) -> bool:
    """True unless it is somebody else that the upstream's log names."""
    if not recipient:
        return True
    named = parse_address(recipient)
    return named is not None and named.key == address.key


def _note_seen(tx: Tx, item: Batch) -> None:
    """No change of the configuration: nothing in memory depends on it."""
    tx.db.execute(
        "UPDATE provider SET agent_last_seen_ns = ?"
        " WHERE id = ? AND agent_last_seen_ns < ?",
        (item.at_ns, item.provider, item.at_ns),
    )


def _is_of(provider: ProviderId, given: _Given | None) -> bool:
    return given is not None and given.went and given.provider == provider


def _look_up(view: View, uuids: list[bytes]) -> dict[UUID, _Given]:
    return {
        given.about.delivery: given
        for some in portions(uuids, AT_A_TIME)
        for given in _given(view, some)
    }


def _given(view: View, uuids: list[bytes]) -> Iterator[_Given]:
    """Those that are known; what never went to an upstream did not go."""
    abouts = about_deliveries(view, uuids)
    for id_, uuid, provider, state, attempts, dot_ns, created_ns in view.db.execute(
        *in_list(
            "SELECT id, uuid, provider, state, attempts, dot_ns, created_ns"
            " FROM delivery WHERE uuid IN (:values)",
            uuids,
        )
    ):
        yield _Given(
            DeliveryId(id_),
            None if provider is None else ProviderId(provider),
            attempts > 0 or dot_ns is not None,
            state == State.IN_DOUBT,
            created_ns,
            abouts[to_uuid(uuid)],
        )


def _ends(view: View, uuids: list[bytes]) -> dict[UUID, set[EventType]]:
    seen: dict[UUID, set[EventType]] = {}
    types = ", ".join(str(int(one)) for one in sorted(ENDS))
    for some in portions(uuids, AT_A_TIME):
        for delivery, type_ in view.db.execute(
            *in_list(
                "SELECT DISTINCT delivery, type FROM event"  # noqa: S608 - our own text
                f" WHERE delivery IN (:values) AND type IN ({types})",
                some,
            )
        ):
            seen.setdefault(to_uuid(delivery), set()).add(EventType(type_))
    return seen
