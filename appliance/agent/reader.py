"""Reads the log, a piece at a time, and puts events into the outbox.

It stops while the outbox is full. Between two files, and every few megabytes, it waits
until the outbox is empty and writes the queue ids down: then there is a moment at which
they and the place belong together.
"""

from collections.abc import Sequence
from typing import Protocol

from appliance.agent.correlate import Correlator
from appliance.agent.events import encode_event
from appliance.agent.keeper import Keeper
from appliance.agent.maillog import parse_line
from appliance.agent.outbox import Outbox
from appliance.agent.place import Place
from appliance.agent.stamps import SECOND_NS, Stamps
from appliance.agent.stats import Stats
from appliance.log import get

log = get("agent")

IDLE_S = 0.25
FULL_S = 0.1
UNREADABLE_S = 2.0
KEEP_S = 60.0
SOME_BYTES = 4 << 20  # when it suits, the queue ids are written down
MANY_BYTES = 32 << 20  # after these it is made to suit
WARN_S = 60.0
_CAUSES = (
    "a content filter handed the mail on without its header, the header_checks rule is"
    " missing, or its first lines are in a log that was not read"
)


class Chunk(Protocol):
    """Some lines, and where each of them ends."""

    @property
    def lines(self) -> Sequence[bytes]:
        """Without their ends."""

    @property
    def end(self) -> Place:
        """Behind the last."""

    def after(self, index: int, done: int) -> Place:
        """Behind that line, with which so many bytes are read."""


class Source(Protocol):
    """Where lines come from: a file with its rotated ones, or the journal."""

    lost: int

    def read(self) -> Chunk | None:
        """The next lines, None if there are none now."""

    def next_file(self) -> bool:
        """True if it goes on somewhere else, for which a pause suits."""

    def turn(self) -> Chunk | None:
        """Go on there, or give what came meanwhile."""

    @property
    def place(self) -> Place | None:
        """How far it was read."""

    def behind(self) -> int:
        """Bytes that wait to be read."""

    def close(self) -> None:
        """Give back what is open."""


class Reader:
    """From a source to the outbox; ``silent_until`` is what was reported before."""

    def __init__(
        self,
        source: Source,
        correlator: Correlator,
        outbox: Outbox,
        *,
        stats: Stats,
        keeper: Keeper,
        silent_until: Place | None = None,
    ) -> None:
        self._source = source
        self._correlator = correlator
        self._outbox = outbox
        self._stats = stats
        self._keeper = keeper
        self._silent_until = silent_until
        self._stamps = Stamps()
        self._unkept = 0  # bytes since the queue ids were written down
        self._kept_s = 0.0
        self._kept: Place | None = None
        self._warned_s = 0.0
        self._unsaid = 0

    def run_once(self, now_s: float) -> float:
        """Read one piece if there is room; the seconds until it is worth again.

        Raises:
            OSError: what is to be kept cannot be written down.
        """
        if self._outbox.full:
            return FULL_S
        if self._unkept > MANY_BYTES and not self._keep(now_s):
            return FULL_S
        try:
            chunk = self._source.read()
            if chunk is None and self._source.next_file():
                return self._turn(now_s)
        except OSError as error:
            self._cannot_read(error)
            return UNREADABLE_S
        self._note_state(at_end=chunk is None)
        if chunk is None:
            self._rest(now_s)
            return IDLE_S
        self._take(chunk, now_s)
        return 0.0

    def keep(self, now_s: float) -> None:
        """Write down what is known, if nothing waits; for the end.

        Raises:
            OSError: it cannot be written down.
        """
        self._keep(now_s)

    def _turn(self, now_s: float) -> float:
        if not self._keep(now_s):
            return FULL_S
        chunk = self._source.turn()
        if chunk is not None:
            self._take(chunk, now_s)
        else:
            self._silent_until = None
            log.info("agent.next_file", place=self._source.place)
            self._keep(now_s)
        return 0.0

    def _take(self, chunk: Chunk, now_s: float) -> None:
        take, done = self._correlator.take, 0
        for index, line in enumerate(chunk.lines):
            done += len(line) + 1
            parsed = parse_line(line)
            if parsed is None:
                continue
            for event in take(parsed, now_s):
                place = chunk.after(index, done)
                if self._is_new(place):
                    at_ns = self._stamps.read(event.stamp, now_s)
                    self._outbox.add(encode_event(event, at_ns), place, now_s)
                    self._note_event(at_ns, now_s)
        self._is_new(chunk.end)
        self._outbox.passed(chunk.end)
        self._stats.lines_read += len(chunk.lines)
        self._unkept += done
        self._warn(now_s)

    def _is_new(self, place: Place) -> bool:
        """False for what stands before the place up to which all was reported."""
        if self._silent_until is None:
            return True
        if place == self._silent_until or not place.reaches(self._silent_until):
            return False
        self._silent_until = None
        return True

    def _rest(self, now_s: float) -> None:
        """At the end of the log: what suits then."""
        if self._unkept > SOME_BYTES or now_s - self._kept_s > KEEP_S:
            self._keep(now_s)

    def _keep(self, now_s: float) -> bool:
        """Write the queue ids down; False if something waits to be sent."""
        self._outbox.hurry = len(self._outbox) > 0
        if self._outbox.hurry:
            return False
        place = self._source.place
        if place is not None and self._silent_until is None:
            if self._unkept or place != self._kept:
                self._keeper.keep_ids(place, self._correlator.ids.dump())
            self._kept, self._unkept = place, 0
        self._kept_s = now_s
        return True

    def _note_event(self, at_ns: int, now_s: float) -> None:
        self._stats.events_queued += 1
        self._stats.last_event_s = now_s
        self._stats.read_until_s = at_ns / SECOND_NS

    def _note_state(self, *, at_end: bool) -> None:
        stats = self._stats
        if stats.unreadable:
            log.info("agent.log_readable")
        stats.unreadable = ""
        stats.at_end = at_end
        stats.places_lost = self._source.lost
        stats.log_bytes_behind = 0 if at_end else self._source.behind()

    def _cannot_read(self, error: OSError) -> None:
        why = str(error)
        if self._stats.unreadable != why:
            log.warning("agent.log_unreadable", why=why)
        self._stats.unreadable = why

    def _warn(self, now_s: float) -> None:
        """Of queue ids that nothing is known of: each once, and not one by one."""
        unknown = self._correlator.unknown
        self._unsaid += len(unknown)
        if unknown and not 0 <= now_s - self._warned_s < WARN_S:
            name = unknown[-1].decode("ascii")
            log.warning(
                "agent.unknown_queue_id",
                what="unknown queue ID",
                queue_id=name,
                number=self._unsaid,
                causes=_CAUSES,
            )
            self._warned_s, self._unsaid = now_s, 0
        unknown.clear()
