"""From lines to what became of deliveries: whose queue id it is, and what to call it.

A mail is known by the header that Postfix logged (``etc/postfix/header_checks``), by
the return path that the queue manager logs, and by its Message-ID, in this order of
belief. The return path is not part of the documented agent, and is what makes it
robust: it needs no rule, and comes again with each try. The Message-ID names the whole
message, so that of several recipients it knows the first only. What has the null
sender is a report about a mail, whatever header it carries: never the mail itself.

Nothing here awaits, reads or keeps time; the same lines give the same events.
"""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from appliance.agent.maillog import (
    Attempt,
    By,
    Expired,
    Line,
    Named,
    Removed,
)
from appliance.agent.queue_ids import QueueIds

MAX_STRAYS = 500  # mails, each with so many tries:
MAX_HELD = 2
MAX_WORD = 320
MAX_TEXT = 1000  # what the server keeps of it
_KINDS = {
    b"sent": "delivered",
    b"bounced": "bounced",
    b"deferred": "deferred",
    b"SOFTBOUNCE": "deferred",  # soft_bounce = yes: it stays in the queue
    b"expired": "soft_bounced",
    b"force-expired": "soft_bounced",
}
GAVE_UP = "expired, returned to sender"


@dataclass(frozen=True, slots=True)
class Event:
    """What became of one delivery, as the endpoint calls it; texts are as logged."""

    uuid: UUID
    kind: str
    queue_id: str
    stamp: bytes
    host: str
    recipient: str = ""
    relay: str = ""
    enhanced: str = ""
    text: str = ""
    expired: bool = False
    """It was given up because it had been tried for long enough."""


@dataclass(slots=True)
class Counts:
    """What was seen so far."""

    by_header: int = 0
    by_return_path: int = 0
    by_message_id: int = 0
    requeues: int = 0
    other_mail: int = 0
    unknown_queue_ids: int = 0
    not_understood: int = 0


class Correlator:
    """Takes lines in their order and gives events.

    ``unknown`` holds queue ids that mail was tried under without their having been
    seen before; whoever warns of them empties it.
    """

    def __init__(self, ids: QueueIds | None = None) -> None:
        self.ids = ids or QueueIds()
        self.counts = Counts()
        self.unknown: list[bytes] = []
        # Tries of a mail behind a content filter can be logged before the filter's
        # answer, which alone says whose they are.
        self._strays: OrderedDict[bytes, list[Attempt]] = OrderedDict()

    def take(self, line: Line, now_s: float) -> list[Event]:
        """The events that the line brings: mostly none, or one."""
        if isinstance(line, Named):  # the most frequent first
            self._name(line, now_s)
        elif isinstance(line, Attempt):
            return self._attempt(line, now_s)
        elif isinstance(line, Removed):
            self.ids.remove(line.queue_id)
            self._strays.pop(line.queue_id, None)
        elif isinstance(line, Expired):
            return self._expired(line)
        else:
            self.counts.not_understood += 1
        return []

    def _name(self, named: Named, now_s: float) -> None:
        """The better way of knowing wins, the first of two equal ones.

        The return path is the last thing that is said of a mail before it is tried.
        It wins over the header, which can be that of a mail attached to this one; and
        what is said behind it is about another mail, which has got a used queue id.
        """
        known, before = self.ids.find(named.queue_id)
        uuid = _packed(named.uuid)
        said = By.RETURN_PATH in (named.by, known) or named.alien
        if said or named.by > known or named.queue_id not in self.ids:
            self.ids.put(named.queue_id, named.by, uuid, now_s)
        if uuid and uuid != before and known < By.MESSAGE_ID:
            self._count(named.by)

    def _count(self, by: By) -> None:
        match by:
            case By.HEADER:
                self.counts.by_header += 1
            case By.RETURN_PATH:
                self.counts.by_return_path += 1
            case By.MESSAGE_ID:
                self.counts.by_message_id += 1

    def _attempt(self, tried: Attempt, now_s: float) -> list[Event]:
        _, uuid = self.ids.find(tried.queue_id)
        if not uuid:
            self._stray(tried, now_s)
            return []
        if tried.again:
            return self._goes_on(tried.again, uuid, now_s)
        kind = _kind(tried)
        return [_event(UUID(bytes=uuid), kind, tried)] if kind else []

    def _stray(self, tried: Attempt, now_s: float) -> None:
        if tried.queue_id in self.ids:
            self.counts.other_mail += 1
        else:
            self.counts.unknown_queue_ids += 1
            self.unknown.append(tried.queue_id)
            self.ids.put(tried.queue_id, By.NOTHING, b"", now_s)  # it is said once
        held = self._strays.setdefault(tried.queue_id, [])
        if len(held) < MAX_HELD:
            held.append(tried)
        if len(self._strays) > MAX_STRAYS:
            self._strays.popitem(last=False)

    def _goes_on(self, again: bytes, uuid: bytes, now_s: float) -> list[Event]:
        """The mail has a new queue id; what was seen of that before counts now."""
        self.counts.requeues += 1
        known, _ = self.ids.find(again)
        if known < By.REQUEUE:
            self.ids.put(again, By.REQUEUE, uuid, now_s)
        held = self._strays.pop(again, [])
        return [event for tried in held for event in self._attempt(tried, now_s)]

    def _expired(self, line: Expired) -> list[Event]:
        _, uuid = self.ids.find(line.queue_id)
        if not uuid:
            return []
        event = Event(
            UUID(bytes=uuid),
            "soft_bounced",
            _text(line.queue_id),
            line.stamp,
            _text(line.host),
            text=GAVE_UP,
            expired=True,
        )
        return [event]


def _kind(tried: Attempt) -> str:
    kind = _KINDS.get(tried.status, "")
    if kind == "bounced" and tried.dsn.startswith(b"4"):
        return "soft_bounced"
    return kind


def _event(uuid: UUID, kind: str, tried: Attempt) -> Event:
    return Event(
        uuid,
        kind,
        _text(tried.queue_id),
        tried.stamp,
        _text(tried.host),
        _text(tried.to),
        _text(tried.relay),
        _text(tried.dsn),
        _text(tried.text, MAX_TEXT),
        kind == "soft_bounced" and tried.status != b"bounced",
    )


def _packed(uuid: bytes) -> bytes:
    return bytes.fromhex(uuid.replace(b"-", b"").decode("ascii"))


def _text(raw: bytes, most: int = MAX_WORD) -> str:
    return raw[:most].decode("utf-8", "replace")
