"""Tickets: what opens the websocket once, soon, instead of a key.

A browser cannot give a websocket a header, and a key in a URL would lie about in
logs and histories. A ticket may: it is good once, for a minute. It lets in whoever
bought it, for as long as what it was bought with is good.
"""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from appliance.core.credential import hash_key
from appliance.edge.keys import Viewer

GOOD_SECONDS = 60
MOST = 500  # unused tickets of one sub-account
_BYTES = 24

Asker: TypeAlias = Callable[[], Viewer | None]  # who is behind it, as of now


@dataclass(frozen=True, slots=True)
class _Ticket:
    asker: Asker
    owner: Viewer
    until: float


class Tickets:
    """Those that were given out and not used, in the order of their ends."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unused: dict[bytes, _Ticket] = {}
        self._counts: Counter[Viewer] = Counter()

    def __len__(self) -> int:
        return len(self._unused)

    def issue(self, owner: Viewer, asker: Asker) -> str | None:
        """A new ticket, None if its owner has enough of them."""
        self._forget()
        if self._counts[owner] >= MOST:
            return None
        text = secrets.token_urlsafe(_BYTES)
        until = self._clock() + GOOD_SECONDS
        self._unused[hash_key(text)] = _Ticket(asker, owner, until)
        self._counts[owner] += 1
        return text

    def take(self, text: str) -> Asker | None:
        """Whom a ticket lets in; it is used up by that."""
        self._forget()
        if not text.isascii():
            return None
        key = hash_key(text)
        return self._drop(key).asker if key in self._unused else None

    def _forget(self) -> None:
        now = self._clock()
        while self._unused:
            oldest = next(iter(self._unused))
            if now < self._unused[oldest].until:
                return
            self._drop(oldest)

    def _drop(self, key: bytes) -> _Ticket:
        ticket = self._unused.pop(key)
        self._counts[ticket.owner] -= 1
        if not self._counts[ticket.owner]:
            del self._counts[ticket.owner]
        return ticket
