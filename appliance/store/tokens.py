"""The tokens and places of all limits during one claim.

What is taken is written in the claim's own transaction, so a crash loses a few tokens
at most and never finds one twice. A place is free again when its mail is settled, so
it is not written, and mail that waits for one only is not held back by a limit for as
long: a slow upstream ends no mail. A provider without limits costs nothing here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.core.delivery import State
from appliance.core.ids import ProviderId
from appliance.core.in_flight import NOTHING
from appliance.core.mailbox_hosts import class_of_domain
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import PLENTY, Bucket, Fare
from appliance.store.limits import CLASS, DOMAIN, OVERALL
from appliance.store.rows import Row, update_rows
from appliance.store.throttle import ThrottleRow
from appliance.store.transaction import Tx

Classify = Callable[[str], RecipientClass]
GAP_NS = 3_600_000_000_000  # who was not seen to hold for so long did not hold
NOTE_NS = 60_000_000_000  # how often it is noted that one still holds
AT_ONCE_NS = 1_000_000_000  # what goes so soon has waited for no limit
LATER_NS = 2**63 - 1


def class_by_name(domain: str) -> RecipientClass:
    """The class of a domain as far as its name tells."""
    return class_of_domain(domain) or RecipientClass.DEFAULT


@dataclass(slots=True)
class Throttle:
    """A limit with what is left of it now."""

    row: ThrottleRow
    bucket: Bucket
    tokens: int
    places: int
    queued: bool  # mail waits for it: what comes new stands behind that
    taken: int = 0
    held: int = 0  # of those, how many had waited for it
    holds: bool = False

    @property
    def id(self) -> int:
        """The number of the queue of what waits for it."""
        return self.row.id

    @property
    def left(self) -> int:
        """How many may go now."""
        return min(self.tokens, self.places)


@dataclass(slots=True)
class Tokens:
    """Every limit in force, by what it is a limit of."""

    now_ns: int
    names: Mapping[ProviderId, str]
    classify: Classify
    all: dict[tuple[int, str, str], Throttle] = field(default_factory=dict)
    by_id: dict[int, Throttle] = field(default_factory=dict)
    classed: set[int] = field(default_factory=set)
    domained: set[int] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        rows: Sequence[ThrottleRow],
        queued: frozenset[int],
        now_ns: int,
        names: Mapping[ProviderId, str],
        classify: Classify,
        *,
        flying: Mapping[Fare, int] = NOTHING.fares,
    ) -> "Tokens":
        """The limits as they are at ``now_ns``; mail waits for those in ``queued``.

        Of those who only look, ``flying`` is empty: nobody else knows what is under
        way, and it is soon over.
        """
        tokens = cls(now_ns, names, classify)
        for row in rows:
            if row.limit:
                tokens._add(row, row.id in queued)
        tokens._seat(flying)
        return tokens

    def _add(self, row: ThrottleRow, queued: bool) -> None:  # noqa: FBT001 - one call
        bucket = row.bucket(self.now_ns // 1_000)
        places = PLENTY if row.at_once is None else row.at_once
        one = Throttle(row, bucket, bucket.tokens(row.limit), places, queued)
        self.all[row.provider, row.scope, row.key] = self.by_id[row.id] = one
        kind = {CLASS: self.classed, DOMAIN: self.domained}.get(row.scope)
        if kind is not None:
            kind.add(row.provider)

    def _seat(self, flying: Mapping[Fare, int]) -> None:
        """Take the places of what is under way."""
        for fare, number in flying.items():
            for scope, key in (
                (OVERALL, ""),
                (CLASS, fare.recipient_class.value),
                (DOMAIN, fare.domain),
            ):
                one = self.all.get((fare.provider, scope, key))
                if one is not None:
                    one.places = max(0, one.places - number)

    # --- asking ------------------------------------------------------------------

    def left(self, provider: ProviderId) -> int:
        """How many the provider may get, whatever they are."""
        one = self.all.get((provider, OVERALL, ""))
        return PLENTY if one is None else one.left

    def blocking(
        self, provider: ProviderId, domain: str, queue: int = 0
    ) -> Throttle | None:
        """The limit that a mail to ``domain`` has to wait for, None if none.

        One that comes from the ``queue`` of a limit need not stand behind it again.
        """
        for one in self._special(provider, domain):
            if not one.left or (one.queued and one.id != queue):
                return one
        return None

    def obstacle(self, provider: ProviderId, domain: str) -> str:
        """What a mail would wait for at this provider, "" for nothing."""
        wait = self.wait(provider, domain=domain)
        return "" if wait is None else wait[0]

    def wait(
        self, provider: ProviderId, *, domain: str = "", queue: int = 0
    ) -> tuple[str, int] | None:
        """What mail waits for, and until when at the earliest; None for nothing.

        Mail to ``domain`` that is to come, or what is in the ``queue`` already.
        """
        one = self.by_id.get(queue)
        overall = self.all.get((provider, OVERALL, ""))
        if one is None and overall is not None and not overall.left:
            one = overall
        if one is None and domain:
            one = self.blocking(provider, domain)
        return None if one is None else (self.told(one), self._next_ns(one))

    def of_waiting(
        self, state: State, provider: int | None, queue: int, due_ns: int | None
    ) -> tuple[str, int] | None:
        """What limit holds a delivery that is due, and until when at the earliest."""
        if state is not State.QUEUED or provider is None or due_ns is None:
            return None
        if due_ns > self.now_ns:
            return None
        return self.wait(ProviderId(provider), queue=queue)

    def told(self, one: Throttle) -> str:
        """What mail that it holds back waits for."""
        provider = ProviderId(one.row.provider)
        return one.row.told(self.names.get(provider, str(provider)))

    def _special(self, provider: ProviderId, domain: str) -> list[Throttle]:
        """The limits of a class or a domain that a mail is under."""
        found = []
        if provider in self.classed:
            key = self.classify(domain).value
            found.append(self.all.get((provider, CLASS, key)))
        if provider in self.domained:
            found.append(self.all.get((provider, DOMAIN, domain)))
        return [one for one in found if one is not None]

    # --- taking ------------------------------------------------------------------

    def take(
        self, provider: ProviderId, domain: str, queue: int = 0, due_ns: int = LATER_NS
    ) -> None:
        """One mail goes, due since then: it was asked before that nothing blocks it."""
        if not self.all:
            return
        overall = self.all.get((provider, OVERALL, ""))
        for one in (overall, *self._special(provider, domain)):
            if one is not None:
                one.tokens -= 1
                one.places -= 1
                one.taken += 1
                one.held += one.id == queue or self._held(one, due_ns)

    def hold(self, one: Throttle) -> None:
        """Mail was met that this limit holds back, and nothing else."""
        one.holds = not one.tokens

    def hold_provider(self, provider: ProviderId) -> None:
        """Mail was met that the provider's own limit holds back."""
        one = self.all.get((provider, OVERALL, ""))
        if one is not None and not one.left:
            self.hold(one)

    def _held(self, one: Throttle, due_ns: int) -> bool:
        """True if mail that was due then has waited for a provider's own limit."""
        since_ns, seen_ns = one.row.since_ns, one.row.seen_ns or 0
        if one.row.scope != OVERALL or since_ns is None:
            return False
        if not 0 <= self.now_ns - seen_ns < GAP_NS:
            return False
        return max(since_ns, due_ns) <= self.now_ns - AT_ONCE_NS

    # --- keeping -----------------------------------------------------------------

    def wake_ns(self) -> int | None:
        """When the first of those that hold mail back gets a token.

        A place is given back by a settlement, which wakes by itself.
        """
        waits = [self._next_ns(one) for one in self.by_id.values() if one.holds]
        return min(waits) if waits else None

    def save(self, tx: Tx) -> None:
        """Write what was taken, and who holds mail back since when."""
        update_rows(
            tx.db,
            "UPDATE throttle SET hour_left = new.column2, second_left = new.column3,"
            " at_us = new.column4, since_ns = new.column5, seen_ns = new.column6,"
            " held = held + new.column7 {}"
            " WHERE throttle.id = new.column1",
            [row for one in self.by_id.values() if (row := self._changed(one))],
        )

    def _changed(self, one: Throttle) -> Row:
        """The row of a limit, empty if it is the same as before."""
        since_ns = self._since(one)
        seen_ns = self.now_ns if since_ns is not None else None
        noted_ns = one.row.seen_ns or 0
        old = not 0 <= self.now_ns - noted_ns < NOTE_NS
        same = since_ns == one.row.since_ns and not (since_ns is not None and old)
        if same and not one.taken:
            return ()
        after = one.bucket.less(one.row.limit, one.taken)
        hour, second = after.hour, after.second
        at_us = self.now_ns // 1_000
        return one.id, hour.left, second.left, at_us, since_ns, seen_ns, one.held

    def _next_ns(self, one: Throttle) -> int:
        """When there is a token."""
        left = one.bucket.less(one.row.limit, one.taken)
        next_us = left.next_us(one.row.limit, self.now_ns // 1_000)
        return max(self.now_ns, next_us * 1_000)

    def _since(self, one: Throttle) -> int | None:
        """Since when it holds mail back without a break, None if it does not."""
        if not one.holds:
            return None
        since_ns, seen_ns = one.row.since_ns, one.row.seen_ns
        if since_ns is None or seen_ns is None:
            return self.now_ns
        unbroken = since_ns <= self.now_ns and 0 <= self.now_ns - seen_ns < GAP_NS
        return since_ns if unbroken else self.now_ns
