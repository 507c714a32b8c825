"""Events that wait to be sent, in the order of the log, and when they are sent.

It holds little: while it is full the log is not read on, for the log itself is the
spool. What was taken stands at its front until the server has it, so that the place
up to which all is reported is known at each moment.
"""

import threading
from collections import deque
from dataclasses import dataclass

from appliance.agent.place import Place

BATCH = 100
BATCH_S = 5.0
MOST_AT_ONCE = 1000  # what the endpoint takes
MAX_BODY = 900 * 1024  # of 1 MiB, with what is around the events
FULL = 2000
FULL_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class _Waiting:
    body: bytes
    place: Place
    since_s: float


class Outbox:
    """The queue between the reader's thread and the courier's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._done: Place | None = None
        self.hurry = False
        """The reader waits until all is sent: what is here is not gathered longer."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """True while no more of the log is to be read."""
        return len(self._waiting) >= FULL or self._bytes >= FULL_BYTES

    @property
    def done(self) -> Place | None:
        """The place up to which everything was reported."""
        return self._done

    def add(self, body: bytes, place: Place, now_s: float) -> None:
        """An event waits; the place is that behind its line."""
        with self._lock:
            self._waiting.append(_Waiting(body, place, now_s))
            self._bytes += len(body)

    def passed(self, place: Place) -> None:
        """The log was read up to there."""
        with self._lock:
            if not self._waiting:
                self._done = place

    def front(self, now_s: float, *, at_once: bool = False) -> list[bytes]:
        """What is to be sent now; it stays until ``remove``."""
        with self._lock:
            first = self._waiting[0] if self._waiting else None
            if first is None:
                return []
            due = at_once or self.hurry or not 0 <= now_s - first.since_s < BATCH_S
            if not due and len(self._waiting) < BATCH:
                return []
            return self._batch()

    def behind(self, number: int) -> Place | None:
        """The place up to which all is reported once so many are done with.

        A line with several events is behind it once all of them are.
        """
        with self._lock:
            done = self._done
            for index in range(number):
                place = self._waiting[index].place
                rest = index + 1 < len(self._waiting)
                if not rest or self._waiting[index + 1].place != place:
                    done = place
            return done

    def remove(self, number: int, done: Place | None) -> None:
        """So many are done with, up to that place."""
        with self._lock:
            for _ in range(number):
                self._bytes -= len(self._waiting.popleft().body)
            self._done = done

    def _batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        for one in self._waiting:
            size += len(one.body) + 2
            if len(batch) == MOST_AT_ONCE or (batch and size > MAX_BODY):
                break
            batch.append(one.body)
        return batch
