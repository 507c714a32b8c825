"""Claiming due deliveries, and drawing the provider of those that have none yet.

A claim looks at how the queues stand, and reads a bounded part of each in which
something is due and for which there is room; which queue comes first changes from
claim to claim. It knows four kinds:

- of a provider, the plain one and those of pools that may overflow: what is there is
  taken, or moves to the queue of the limit that blocks it, once, and out of the way;
- of a provider that is down: nothing but what may overflow is read, and only if
  somebody else can take it now;
- of a limit: as many are read as there are tokens and places;
- of what is not drawn yet, or whose provider is gone: each is drawn a provider, and is
  taken or waits there.
"""

from collections.abc import Mapping
from types import MappingProxyType

from appliance.core.breaker import Restraint
from appliance.core.choice import Obstacle
from appliance.core.delivery import Copy
from appliance.core.ids import PoolId, ProviderId
from appliance.core.in_flight import NOTHING, InFlight
from appliance.store.choosing import Choosing
from appliance.store.due import (
    NO_BOUNDS,
    Allowance,
    DueRow,
    Rounds,
    read_front,
    read_round,
)
from appliance.store.rows import Row, update_rows
from appliance.store.standing import Queue, Standing, load_standing
from appliance.store.taking import Taking
from appliance.store.tokens import Classify, Throttle, Tokens, class_by_name
from appliance.store.transaction import Tx

NO_PROVIDER_PAUSE_NS = 60_000_000_000
NO_PROVIDER = "its pool has no provider"
NO_BOUND = 1_000_000
MAX_FRUITLESS = 64  # claims in a row that went on with a round and found nothing
ALL_UP: Mapping[ProviderId, Restraint] = MappingProxyType({})


def claim(
    tx: Tx,
    now_ns: int,
    limit: int,
    byte_limit: int,
    *,
    most_each: int = NO_BOUND,
    in_flight: InFlight = NOTHING,
    down: Mapping[ProviderId, Restraint] = ALL_UP,
    classify: Classify = class_by_name,
    rounds: Rounds | None = None,
) -> list[Copy]:
    """At most ``limit`` due deliveries, longest due first, now in flight.

    They hold at most ``byte_limit`` bytes of content together, but one is
    always taken. No provider gets more than ``most_each`` with those that it
    has ``in_flight``, so a slow one holds up its own mail only; one that is
    ``down`` gets no more than it says. Sub-accounts take turns, for which
    ``rounds`` remembers whose turn it is.

    A delivery is drawn a provider once and keeps it, unless that is down and
    its pool overflows. What waits for a limit, or for a pool to have a
    provider (it is looked at again in a minute), stays queued; that is no try.
    """
    rounds = Rounds() if rounds is None else rounds
    taking = Taking(limit, byte_limit, most_each, in_flight, down)
    standing = load_standing(tx, now_ns, max(1, limit) + 1)
    taking.shared = standing.shared
    one = _Claim(
        tx,
        now_ns,
        standing,
        taking,
        in_flight=in_flight,
        down=down,
        classify=classify,
        rounds=rounds,
    )
    for queue in rounds.order(standing.queues) if limit else ():
        one.serve(queue)
    one.write()
    return taking.copies


class _Claim:
    """One claim under way."""

    def __init__(
        self,
        tx: Tx,
        now_ns: int,
        standing: Standing,
        taking: Taking,
        *,
        in_flight: InFlight,
        down: Mapping[ProviderId, Restraint],
        classify: Classify,
        rounds: Rounds,
    ) -> None:
        names = standing.providers
        self._tx = tx
        self._now_ns = now_ns
        self._standing = standing
        self._taking = taking
        self._down = down
        self._rounds = rounds
        self._tokens = Tokens.of(
            standing.throttles,
            standing.waiting,
            now_ns,
            names,
            classify,
            flying=in_flight.fares,
        )
        self._choosing = Choosing(tx, classify, names)
        self._taken: list[Row] = []
        self._waiting: list[Row] = []
        self._unread = False

    def serve(self, queue: Queue) -> None:
        """Take what may go of one queue, and put the rest where it waits."""
        provider = ProviderId(queue.provider or 0)
        if provider not in self._standing.providers:
            self._serve_undrawn(queue)
        else:
            moved = provider in self._down and self._serve_left(queue, provider)
            if not moved and self._taking.room(provider):
                self._serve_drawn(queue, provider)

    def write(self) -> None:
        """Write what was decided."""
        update_rows(
            self._tx.db,
            "UPDATE delivery SET provider = new.column2, due_ns = new.column3,"
            " waits_for = new.column4, queue = new.column5,"
            " draw = iif(new.column6 = '', draw, new.column6) {}"
            " WHERE delivery.id = new.column1",
            self._waiting,
        )
        update_rows(
            self._tx.db,
            "UPDATE delivery SET state = 1, due_ns = NULL, provider = new.column2,"
            " queue = new.column3, draw = iif(new.column4 = '', draw, new.column4),"
            " waits_for = '', dot_ns = NULL {} WHERE delivery.id = new.column1",
            self._taken,
        )
        self._choosing.save()
        self._tokens.save(self._tx)
        self._tell_rounds()

    def _tell_rounds(self) -> None:
        fruitful = bool(self._taken or self._waiting)
        self._rounds.fruitless = 0 if fruitful else self._rounds.fruitless + 1
        goes_on = self._unread and self._rounds.fruitless <= MAX_FRUITLESS
        self._rounds.more = fruitful or goes_on
        self._rounds.wake_ns = self._tokens.wake_ns()

    # --- the kinds of queues -----------------------------------------------------

    def _serve_drawn(self, queue: Queue, provider: ProviderId) -> None:
        """Mail that knows where to go."""
        room = min(self._taking.room(provider), self._tokens.left(provider))
        throttle = self._tokens.by_id.get(queue.number)
        if throttle is not None:
            room = min(room, throttle.left)
        for row in self._read(queue, room, self._taking.allowance(provider)):
            self._take(row, provider, queue.number)
        self._tokens.hold_provider(provider)
        if throttle is not None and not throttle.left and self._tokens.left(provider):
            self._tokens.hold(throttle)

    def _serve_undrawn(self, queue: Queue) -> None:
        """Mail that has no provider yet, or none any more."""
        rows = self._read(queue, self._taking.left)
        self._choosing.read(PoolId(row.pool) for row in rows)
        for row in rows:
            drawn = self._choosing.draw(row, self._obstacle(row))
            if drawn is None:
                due_ns = self._now_ns + NO_PROVIDER_PAUSE_NS
                self._waiting.append((row.id, None, due_ns, NO_PROVIDER, 0, ""))
            elif not self._take(row, drawn.provider, 0, drawn.why):
                self._pin(row, drawn.provider, drawn.why)

    def _serve_left(self, queue: Queue, provider: ProviderId) -> bool:
        """Mail whose provider is down: what may overflow does, the rest stays.

        True if any did. So a mail is a trial once at most: when it fails, it goes on.
        """
        pool = PoolId(-queue.number)
        if pool not in self._standing.overflowing:
            return False
        self._choosing.read([pool])
        room = self._room_elsewhere(pool, provider)
        name, why = self._standing.providers[provider], self._down[provider].waits_for
        moved = False
        for row in self._read(queue, room, thorough=True):
            obstacle = self._obstacle(row, now=True, but=provider)
            drawn = self._choosing.move(row, obstacle, name, why)
            if drawn is not None:
                moved |= self._take(row, drawn.provider, queue.number, drawn.why)
        return moved

    # --- one mail ----------------------------------------------------------------

    def _take(
        self, row: DueRow, provider: ProviderId, queue: int, why: str = ""
    ) -> bool:
        """True if it goes, or waits for a limit; False if it stays where it is."""
        domain = row.recipient_domain
        throttle = self._tokens.blocking(provider, domain, queue)
        if throttle is not None:
            self._park(row, provider, throttle, why)
            return True
        if not self._tokens.left(provider) or not self._taking.take(row, provider):
            return False
        self._tokens.take(provider, domain, queue, row.due_ns)
        base = self._standing.base(row.pool)
        self._taken.append((row.id, provider, base, why))
        return True

    def _park(
        self, row: DueRow, provider: ProviderId, throttle: Throttle, why: str
    ) -> None:
        """Have it wait for a token or a place, out of the way of other mail."""
        if not throttle.left:
            self._tokens.hold(throttle)
        throttle.queued = True
        told = self._tokens.told(throttle)
        self._waiting.append((row.id, provider, row.due_ns, told, throttle.id, why))

    def _pin(self, row: DueRow, provider: ProviderId, why: str) -> None:
        """Have it wait for its provider."""
        self._tokens.hold_provider(provider)
        waits_for = self._down[provider].waits_for if provider in self._down else ""
        base = self._standing.base(row.pool)
        self._waiting.append((row.id, provider, row.due_ns, waits_for, base, why))

    # --- what there is, and what stands in the way ---------------------------------

    def _read(
        self,
        queue: Queue,
        room: int,
        allowance: Allowance = NO_BOUNDS,
        *,
        thorough: bool = False,
    ) -> list[DueRow]:
        """Due mail for so much room, with parts for all if it is too much."""
        if not room:
            return []
        if queue.due <= min(room, allowance.least):
            return read_front(self._tx, queue, self._now_ns, room)
        rows, unread = read_round(
            self._tx,
            queue,
            self._now_ns,
            room,
            rounds=self._rounds,
            allowance=allowance,
            thorough=thorough,
        )
        self._unread = self._unread or unread
        return rows

    def _obstacle(
        self, row: DueRow, *, now: bool = False, but: ProviderId | None = None
    ) -> Obstacle:
        """Why a provider can take this mail not soon, or not ``now``; "" if it can.

        One ``but`` which the mail has left cannot.
        """
        domain = row.recipient_domain

        def obstacle(provider: ProviderId) -> str:
            if provider == but:
                return "it was left"
            if provider in self._down and not self._taking.room(provider):
                return self._down[provider].waits_for or "it is down"
            if now and not self._taking.room(provider):
                return "it has no room"
            return self._tokens.obstacle(provider, domain)

        return obstacle

    def _room_elsewhere(self, pool: PoolId, left: ProviderId) -> int:
        """How many of a pool's mails could go to others than the one they left."""
        others = {
            share.provider
            for id_ in (pool, self._spare_of(pool))
            if id_ is not None and (one := self._choosing.pool(id_)) is not None
            for shares in one.routes.values()
            for share in shares
            if share.provider != left
        }
        room = sum(
            min(self._taking.room(one), self._tokens.left(one)) for one in others
        )
        return min(self._taking.left, room)

    def _spare_of(self, pool: PoolId) -> PoolId | None:
        one = self._choosing.pool(pool)
        return None if one is None else one.overflow_pool
