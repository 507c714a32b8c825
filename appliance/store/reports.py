"""What others say became of deliveries, many to a commit.

A reporter is believed about what its own upstream was given and about nothing else;
who writes to a return path, about the delivery that it names and no other. However
many reports there are, each question to the database is asked for hundreds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from appliance.core.address import Address, parse_address
from appliance.core.delivery import State
from appliance.core.doubt import REPORTED
from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import DeliveryId, ProviderId, SubAccountId
from appliance.core.report import RECORDED, Report, is_news
from appliance.core.suppression import SuppressionReason
from appliance.store.about import COLUMNS, TABLES, to_about
from appliance.store.deferrals import Delay, note_delays
from appliance.store.delivered_by import note_agent
from appliance.store.doubt import prove_sent
from appliance.store.rows import portions
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx, View, in_list, to_uuid

AT_A_TIME = 512  # values in one question
_TOOK = (
    "(SELECT group_concat(provider) FROM attempt"
    " WHERE attempt.delivery = d.id AND ending IN ('accepted', 'in doubt'))"
)
SUPPRESSES = {
    EventType.HARD_BOUNCED: SuppressionReason.HARD_BOUNCE,
    EventType.COMPLAINED: SuppressionReason.SPAM_COMPLAINT,
}


@dataclass(frozen=True, slots=True)
class Batch:
    """What one reporter handed in together; ``provider`` is whom its key is of.

    None is what came to our own return paths, those of ``sub_account``. A hard bounce
    suppresses for ``hard_lasts_ns``, None for ever.
    """

    provider: ProviderId | None
    reports: tuple[Report, ...]
    at_ns: int
    sub_account: SubAccountId | None = None
    hard_lasts_ns: int | None = None

    def knows(self, given: "_Given") -> bool:
        """True if this delivery went where the reporter would hear of it."""
        if self.provider is None:
            return given.went and given.about.sub_account == self.sub_account
        if given.provider == self.provider:
            return given.went
        return str(self.provider) in given.took.split(",")

    def end_ns(self, reason: SuppressionReason, at_ns: int) -> int | None:
        """Until when that reason suppresses from a moment on, None for ever."""
        if reason is not SuppressionReason.HARD_BOUNCE or self.hard_lasts_ns is None:
            return None
        return at_ns + self.hard_lasts_ns


@dataclass(frozen=True, slots=True)
class _Given:
    """A delivery as a report finds it.

    ``took`` are the providers that took it, or may have, once: it may be another's now.
    """

    id: DeliveryId
    provider: ProviderId | None
    took: str
    went: bool
    is_open: bool  # in doubt, or held: what is heard of it settles it
    accepted_ns: int
    about: About


_Good: TypeAlias = Sequence[tuple[_Given, Report, Batch]]


def record_reports(tx: Tx, items: Sequence[Batch]) -> list[list[bool]]:
    """For each report of each batch whether it was believed; a batch function.

    It is if the delivery went to that provider, though it may be another's by now.
    Believed is also what was known; of what is new there is an event, but for what was
    put off: that is kept apart. A hard bounce or a complaint suppresses the recipient.
    Whatever is reported of a delivery in doubt, or held, proves that it was sent.
    """
    uuids = {one.delivery.bytes for item in items for one in item.reports}
    known = _look_up(tx, list(uuids))
    believed = [
        [_believes(item, known.get(one.delivery)) for one in item.reports]
        for item in items
    ]
    good = [
        (known[one.delivery], one, item)
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
    """It was sent by the one that tells of it, whoever else was to have it next."""
    elsewhere = {
        given.id: item.provider
        for given, _, item in good
        if given.is_open and item.provider not in (None, given.provider)
    }
    for id_, provider in elsewhere.items():
        tx.db.execute(
            "UPDATE delivery SET provider = (SELECT id FROM provider WHERE id = ?)"
            " WHERE id = ?",
            (provider, id_),
        )
    doubted = {
        given.about.delivery.bytes: item.at_ns
        for given, _, item in good
        if given.is_open
    }
    for some in portions(list(doubted), AT_A_TIME):
        prove_sent(tx, some, REPORTED, max(doubted.values()))


def _record(tx: Tx, good: _Good) -> None:
    seen = _ends(tx, list({given.about.delivery.bytes for given, _, _ in good}))
    delays = []
    for given, report, item in good:
        at_ns = report.moment(given.accepted_ns, item.at_ns)
        if report.type is EventType.DEFERRED:
            delays.append(Delay(given.id, at_ns, report))
            continue
        ends = seen.setdefault(given.about.delivery, set())
        if is_news(report.type, ends):
            ends.add(report.type)
            _tell(tx, _seen_by(tx, item, given), report, at_ns, item)
    note_delays(tx, delays)


def _seen_by(view: View, item: Batch, given: _Given) -> About:
    """What the fact is about: it happened at the provider that tells it."""
    if item.provider is None or item.provider == given.provider:
        return given.about
    row = view.db.execute(
        "SELECT name FROM provider WHERE id = ?", (item.provider,)
    ).fetchone()
    return replace(given.about, provider=row[0] if row else "")  # removed meanwhile


def _tell(tx: Tx, about: About, report: Report, at_ns: int, item: Batch) -> None:
    data = dict(report.data)
    ours = _names(report.recipient, about.recipient)
    if not ours:
        data["recipient"] = report.recipient
    tx.emit(NewEvent(report.type, at_ns, about, data))
    reason = SUPPRESSES.get(report.type)
    if reason is not None and ours and report.proven:
        local, _, domain = about.recipient.rpartition("@")
        add_suppression(
            tx,
            about.sub_account,
            Address(local, domain),
            reason=reason,
            now_ns=at_ns,
            description=str(data.get("text", "")),
            delivery=about.delivery,
            expires_ns=item.end_ns(reason, at_ns),
        )


def _names(named: str, recipient: str) -> bool:
    """True unless it is somebody else that the upstream's log names."""
    if named in ("", recipient):
        return True
    address = parse_address(named)
    local, _, domain = recipient.rpartition("@")
    return address is not None and address.key == Address(local, domain).key


def _note_seen(tx: Tx, item: Batch) -> None:
    """No change of the configuration: nothing in memory depends on it."""
    if item.provider is None:
        return
    note_agent(tx, item.provider, item.at_ns)
    tx.db.execute(
        "UPDATE provider SET agent_last_seen_ns = ?"
        " WHERE id = ? AND agent_last_seen_ns < ?",
        (item.at_ns, item.provider, item.at_ns),
    )


def _believes(item: Batch, given: _Given | None) -> bool:
    return given is not None and item.knows(given)


def _look_up(view: View, uuids: list[bytes]) -> dict[UUID, _Given]:
    return {
        given.about.delivery: given
        for some in portions(uuids, AT_A_TIME)
        for given in _given(view, some)
    }


def _given(view: View, uuids: list[bytes]) -> Iterator[_Given]:
    """Those that are known; what never went to an upstream did not go."""
    rows = view.db.execute(
        *in_list(
            f"SELECT d.id, d.provider, {_TOOK}, d.state, d.attempts, d.dot_ns,"  # noqa: S608
            f" d.created_ns, {COLUMNS} FROM {TABLES} WHERE d.uuid IN (:values)",
            uuids,
        )
    )
    for id_, provider, took, state, attempts, dot_ns, created_ns, *about in rows:
        yield _Given(
            DeliveryId(id_),
            None if provider is None else ProviderId(provider),
            took or "",
            attempts > 0 or dot_ns is not None,
            state in (State.IN_DOUBT, State.HELD),
            created_ns,
            to_about(about),
        )


def _ends(view: View, uuids: list[bytes]) -> dict[UUID, set[EventType]]:
    seen: dict[UUID, set[EventType]] = {}
    types = ", ".join(str(int(one)) for one in sorted(RECORDED))
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
