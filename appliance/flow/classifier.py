"""Whose servers take a recipient's mail in: a class for each domain.

``of`` answers from memory and never waits. The mailbox providers are known by name.
Of any other domain it says ``DEFAULT`` at first and has its MX records looked up
behind the mail's back, a few a second; what they said is kept on disk and looked up
again after a week. Without limits and routes by class nobody asks, and then nothing is
looked up either.

Domains are what recipients' addresses say, so anybody can make up a million of them:
the memory, the rows, what waits for a look-up, and the look-ups each second are all
bounded.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import trio

from appliance.core.mailbox_hosts import class_of_domain, class_of_mx
from appliance.core.recipient_class import RecipientClass
from appliance.log import get
from appliance.net.dns import Found, Trouble
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.recipient_classes import (
    Known,
    keep_classes,
    load_classes,
    load_latest_classes,
)

log = get("postroom.classifier")

SECOND_NS = 1_000_000_000
FRESH_NS = 7 * 86_400 * SECOND_NS
AGAIN_NS = 600 * SECOND_NS  # after no resolver answered
AT_A_TIME = 20  # look-ups in a pass
PASS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """How many domains are kept: in memory, on disk, and waiting for a look-up."""

    memory: int = 20_000
    rows: int = 100_000
    asked: int = 10_000


ROOM = Room()


class Lookup(Protocol):
    """What the classifier needs of a resolver."""

    async def lookup(self, name: str, kind: str) -> Found:
        """What is published under a name."""
        ...


class Classifier:
    """The classes of recipients' domains; ``of`` may be called in any thread."""

    def __init__(
        self,
        store: Store,
        make_resolver: Callable[[], Lookup] | None,
        *,
        dns_seconds: float,
        clock: Callable[[], int],
        room: Room = ROOM,
    ) -> None:
        """Without a resolver only the mailbox providers are known.

        A new one is made for each pass: the system's resolvers may change.
        """
        self._store = store
        self._make_resolver = make_resolver
        self._dns_seconds = dns_seconds
        self._clock = clock
        self._room = room
        self._guard = threading.Lock()  # held for moments, in the store's thread too
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._asked: dict[str, None] = {}  # a set in the order of asking

    async def load(self) -> None:
        """Take in what was found out before, so that the first mail fares as well.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        if self._make_resolver is not None:
            self._remember(
                await self._store.read(load_latest_classes, self._room.memory)
            )

    def of(self, domain: str) -> RecipientClass:
        """The class of a recipient's domain, as far as it is known now."""
        by_name = class_of_domain(domain)
        if by_name is not None:
            return by_name
        if self._make_resolver is None:
            return RecipientClass.DEFAULT
        with self._guard:
            known = self._known.get(domain)
            if known is not None:
                self._known.move_to_end(domain)
            if not _is_fresh(known, self._clock()):
                self._ask(domain)
        return RecipientClass.DEFAULT if known is None else known.recipient_class

    async def run(self) -> None:
        """Looks up what was asked for, for as long as the process lives."""
        while True:
            try:
                pause = await self.run_once(self._clock())
            except StoreUnavailable as error:
                log.warning("classifier.store_unavailable", error=error)
                pause = PASS_SECONDS
            await trio.sleep(pause)

    async def run_once(self, now_ns: int) -> float:
        """One pass over a few of the domains; returns the seconds until the next.

        Raises:
            StoreUnavailable: nothing could be read or kept.
        """
        domains = self._take(now_ns)
        if not domains:
            return PASS_SECONDS
        self._remember(await self._store.read(load_classes, domains))
        if unknown := self._stale(domains, now_ns):
            found = await self._look_up(unknown, now_ns)
            self._remember(found)
            answered = [one for one in found if one.checked_ns == now_ns]
            await self._store.write(keep_classes, answered, self._room.rows)
        return PASS_SECONDS

    # --- memory ------------------------------------------------------------------

    def _ask(self, domain: str) -> None:
        if len(self._asked) < self._room.asked:  # else it is asked for again one day
            self._asked[domain] = None

    def _take(self, now_ns: int) -> list[str]:
        """Those that were asked for first and are still not known."""
        with self._guard:
            domains = list(islice(self._asked, AT_A_TIME))
            for domain in domains:
                del self._asked[domain]
        return self._stale(domains, now_ns)

    def _stale(self, domains: Sequence[str], now_ns: int) -> list[str]:
        with self._guard:
            return [
                domain
                for domain in domains
                if not _is_fresh(self._known.get(domain), now_ns)
            ]

    def _remember(self, items: Sequence[Known]) -> None:
        with self._guard:
            for one in items:
                self._known[one.domain] = one
                self._known.move_to_end(one.domain)
            while len(self._known) > self._room.memory:
                self._known.popitem(last=False)

    # --- the DNS -----------------------------------------------------------------

    async def _look_up(self, domains: Sequence[str], now_ns: int) -> list[Known]:
        """What the MX records say now; one that got no answer is not checked."""
        found: list[Known] = []
        assert self._make_resolver is not None
        resolver = self._make_resolver()

        async def look(domain: str) -> None:
            answer = Found(trouble=Trouble.NO_ANSWER)
            with trio.move_on_after(self._dns_seconds):
                answer = await resolver.lookup(domain, "MX")
            found.append(self._judge(domain, answer, now_ns))

        async with trio.open_nursery() as nursery:
            for domain in domains:
                nursery.start_soon(look, domain)
        return found

    def _judge(self, domain: str, answer: Found, now_ns: int) -> Known:
        if answer.trouble is not Trouble.NO_ANSWER:
            return Known(domain, class_of_mx(answer.values), now_ns)
        with self._guard:
            before = self._known.get(domain)
        known_as = RecipientClass.DEFAULT if before is None else before.recipient_class
        # As if it had been checked so long ago that it is stale in ten minutes.
        return Known(domain, known_as, now_ns - FRESH_NS + AGAIN_NS)


def _is_fresh(known: Known | None, now_ns: int) -> bool:
    """A clock that went back makes nothing last longer than a week."""
    return known is not None and 0 <= now_ns - known.checked_ns < FRESH_NS
