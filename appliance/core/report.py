"""What others say became of a delivery, and whether that is news.

Reports come again, late, and from several sources: an upstream's log, a bounce at our
return path, a complaint. Of all that say one thing, the first is recorded: one end
for each delivery, except that a bounce may follow what had been delivered, and that a
hard bounce overrules a soft one; and one complaint, whatever the end was.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from appliance.core.event import EventType, Scalar


class Via(StrEnum):
    """How we were told; ``data["via"]`` of an event."""

    AGENT = "agent"
    DSN = "dsn"
    COMPLAINT = "complaint"

    @property
    def words(self) -> str:
        """As people read it."""
        return _SOURCES[self]


_SOURCES = {
    Via.AGENT: "the upstream's log",
    Via.DSN: "a bounce at the return path",
    Via.COMPLAINT: "a complaint",
}

ENDS = frozenset({EventType.DELIVERED, EventType.HARD_BOUNCED, EventType.SOFT_BOUNCED})
RECORDED = ENDS | {EventType.COMPLAINED}
# What has been recorded, and makes a report of this type no news any more.
_SETTLED_BY: Mapping[EventType, AbstractSet[EventType]] = MappingProxyType(
    {
        EventType.DELIVERED: ENDS,
        EventType.SOFT_BOUNCED: ENDS - {EventType.DELIVERED},
        EventType.HARD_BOUNCED: frozenset({EventType.HARD_BOUNCED}),
        EventType.COMPLAINED: frozenset({EventType.COMPLAINED}),
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """What one reporter says of one delivery, already judged.

    ``type`` is DELIVERED, DEFERRED, HARD_BOUNCED, SOFT_BOUNCED or COMPLAINED.
    ``recipient`` is whom it names, "" if it names nobody; an alias or a forward behind
    us may make that another one than ours. ``at_ns`` is the reporter's clock, 0 if it
    does not say. ``data`` are the words of the event, ``via`` among them: how we were
    told. They may be hostile text, and are cut. ``proven`` is False if others than the
    recipient's side could have written it: it is recorded, and suppresses nobody.
    """

    type: EventType
    delivery: UUID
    recipient: str = ""
    at_ns: int = 0
    data: Mapping[str, Scalar] = field(default_factory=dict)
    proven: bool = True

    def moment(self, accepted_ns: int, now_ns: int) -> int:
        """When it happened, between the mail's coming and now whatever they say."""
        return min(max(self.at_ns or now_ns, accepted_ns), now_ns)


def is_news(type_: EventType, recorded: AbstractSet[EventType]) -> bool:
    """True if a report of this type is worth an event behind those recorded."""
    return not (_SETTLED_BY[type_] & recorded)
