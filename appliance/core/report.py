"""What an upstream's own log says became of a delivery, and whether that is news.

Reports come again, late, and from several sources. Of all that say one thing, the
first is recorded: one end for each delivery, except that a bounce may follow what
had been delivered, and that a hard bounce overrules a soft one.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from appliance.core.event import EventType, Scalar

ENDS = frozenset({EventType.DELIVERED, EventType.HARD_BOUNCED, EventType.SOFT_BOUNCED})
# What has been recorded, and makes a report of this type no news any more.
_SETTLED_BY: Mapping[EventType, AbstractSet[EventType]] = MappingProxyType(
    {
        EventType.DELIVERED: ENDS,
        EventType.SOFT_BOUNCED: ENDS - {EventType.DELIVERED},
        EventType.HARD_BOUNCED: frozenset({EventType.HARD_BOUNCED}),
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """One line of an upstream's log about one delivery, already judged.

    ``type`` is DELIVERED, DEFERRED, HARD_BOUNCED or SOFT_BOUNCED. ``recipient`` is
    whom the log names, "" if it names nobody; an alias of the upstream may make that
    another one than ours. ``at_ns`` is the reporter's clock, 0 if it does not say.
    ``data`` are the words of the event; they may be hostile text, and are cut.
    """

    type: EventType
    delivery: UUID
    recipient: str = ""
    at_ns: int = 0
    data: Mapping[str, Scalar] = field(default_factory=dict)

    def moment(self, accepted_ns: int, now_ns: int) -> int:
        """When it happened, between the mail's coming and now whatever they say."""
        return min(max(self.at_ns or now_ns, accepted_ns), now_ns)


def is_news(type_: EventType, recorded: AbstractSet[EventType]) -> bool:
    """True if an end of this type is worth an event behind those recorded."""
    return not (_SETTLED_BY[type_] & recorded)
