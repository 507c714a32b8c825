"""Which clicks come in a burst: several links of one mail within a few seconds.

That is a program's way through a mail. The first clicks of a burst have gone on record
by then, as what they seemed to be: an answer does not wait for what may follow.
"""

from collections import OrderedDict
from typing import TypeAlias
from uuid import UUID

WINDOW_NS = 3_000_000_000
LINKS = 3  # different ones, within the window
REMEMBERED = 10_000  # mails, some hundred bytes each

_Clicks: TypeAlias = tuple[tuple[int, int], ...]


class Bursts:
    """Remembers the last clicks of the mails that were clicked last."""

    def __init__(self) -> None:
        self._recent: OrderedDict[UUID, _Clicks] = OrderedDict()

    def is_part(self, delivery: UUID, link: int, now_ns: int) -> bool:
        """True if this click and those just before it are a burst."""
        before = self._recent.pop(delivery, ())
        others = tuple(
            (other, at_ns)
            for other, at_ns in before
            if other != link and now_ns - at_ns < WINDOW_NS
        )
        clicks = (*others, (link, now_ns))[-LINKS:]
        self._recent[delivery] = clicks
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return len(clicks) >= LINKS
