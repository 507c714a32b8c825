"""What mail that came back means for a delivery: pure, whoever it came from.

One mail says one thing about one delivery, for our return paths are one for each: what
it says of the delivery's own recipient, or else of the first whom it names. Behind a
forward that is somebody else, and then the report says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from appliance.core import bounce
from appliance.core.address import Address, parse_address
from appliance.core.event import EventType, Scalar
from appliance.core.ids import parse_uuid
from appliance.core.report import Report, Via
from appliance.core.verp import parse_return_path
from appliance.mime.returned import Action, Complaint, Failed
from appliance.smtp.reply import printable
from appliance.store.returns import Gone

_SECOND_NS = 1_000_000_000
_KINDS = {
    bounce.Kind.HARD: EventType.HARD_BOUNCED,
    bounce.Kind.SOFT: EventType.SOFT_BOUNCED,
}
# RFC 5965 7.3 and RFC 6591 3.1: reports that are no complaint about the mail.
_NO_COMPLAINTS = frozenset({"not-spam", "auth-failure", "dmarc"})
# What is told of several recipients: the end of a copy before that it still goes on.
_WEIGHT = {one: weight for weight, one in enumerate(Action)}


class Kind(StrEnum):
    """What came, or tried to; counted, and shown by ``postroom status``."""

    HARD_BOUNCE = "hard bounces"
    SOFT_BOUNCE = "soft bounces"
    DELAY = "delays"
    DELIVERY = "deliveries"
    COMPLAINT = "complaints"
    UNSUBSCRIBE = "unsubscribes"
    AUTO_REPLY = "automatic replies"
    NO_NEWS = "reports without consequence"
    UNREADABLE = "not understood"
    UNPROVEN = "complaints that prove no mail of ours"
    FORGED = "refused: no return path of ours"
    NOT_OURS = "refused: not for us"


_KIND_OF = {
    EventType.HARD_BOUNCED: Kind.HARD_BOUNCE,
    EventType.SOFT_BOUNCED: Kind.SOFT_BOUNCE,
    EventType.DEFERRED: Kind.DELAY,
    EventType.DELIVERED: Kind.DELIVERY,
    EventType.COMPLAINED: Kind.COMPLAINT,
}


def kind_of(report: Report) -> Kind:
    """As what a report counts."""
    return _KIND_OF[report.type]


# --- bounces --------------------------------------------------------------------


def report_of(gone: Gone, told: Sequence[Failed]) -> Report | None:
    """What a bounce says of this copy, None if nothing follows from it.

    A mail that was relayed or expanded has not arrived anywhere yet, and nobody will
    say whether it does (RFC 3464 2.3.3).
    """
    one, is_own = _chosen(gone.recipient, told)
    data = _words(one)
    match one.action:
        case Action.FAILED:
            verdict = bounce.classify(one.code, one.status, one.diagnostic)
            type_ = _KINDS[verdict.kind]
            data |= {"reason": verdict.reason.value, "rule": verdict.rule}
        case Action.DELAYED:
            type_ = EventType.DEFERRED
        case Action.DELIVERED:
            type_ = EventType.DELIVERED
        case _:
            return None
    recipient = "" if is_own else _shown(one.address)
    at_ns, proven = one.at_s * _SECOND_NS, not gone.shown
    return Report(type_, gone.delivery, recipient, at_ns, data, proven)


def _chosen(recipient: Address, told: Sequence[Failed]) -> tuple[Failed, bool]:
    """The one that counts, and whether it is about our recipient himself.

    Several that go back to him are what his address was expanded to: one of them that
    fails is not his end.
    """
    for one in told:
        if not one.address or _is(one.address, recipient):
            return one, True
    origin = [one for one in told if _is(one.original, recipient)]
    if len(origin) == 1:
        return origin[0], True
    return min(origin or told, key=lambda one: _WEIGHT[one.action]), False


def _is(text: str, recipient: Address) -> bool:
    named = parse_address(text)
    return named is not None and named.key == recipient.key


def _words(one: Failed) -> dict[str, Scalar]:
    """The words of the event; what is not told is left out."""
    told: dict[str, Scalar] = {
        "code": one.code,
        "enhanced": _shown(one.status),
        "text": _shown(one.diagnostic),
        "mta": _shown(one.remote_mta),
    }
    return {name: value for name, value in told.items() if value} | {
        "via": Via.DSN.value
    }


# --- complaints -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clue:
    """An id that a complaint quotes: of a copy, or of a message."""

    uuid: UUID
    of_message: bool = False


def is_complaint(one: Complaint) -> bool:
    """False for feedback that blames the mail for nothing."""
    return one.feedback_type not in _NO_COMPLAINTS


def complaint_of(gone: Gone, one: Complaint) -> Report:
    """The report that somebody called this copy spam."""
    told: dict[str, Scalar] = {"feedbackType": _shown(one.feedback_type)}
    data = {name: value for name, value in told.items() if value}
    data["via"] = Via.COMPLAINT.value
    at_ns = one.arrived_s * _SECOND_NS
    return Report(EventType.COMPLAINED, gone.delivery, "", at_ns, data, not gone.shown)


def clues_of(one: Complaint) -> Iterator[Clue]:
    """By what its mail may be found, what names a copy before what names a message."""
    sender = parse_address(one.original_mail_from)
    named = None if sender is None else parse_return_path(sender)
    if named is not None:
        yield Clue(named[0])
    if one.delivery is not None:
        yield Clue(one.delivery)
    message = parse_uuid(one.message_id.partition("@")[0])
    if message is not None:
        yield Clue(message, of_message=True)


def _shown(text: str) -> str:
    return printable(text.encode("utf-8", "replace"))
