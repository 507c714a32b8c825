"""Where the next mails would go and when, as things stand; nothing moves by looking."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.core.breaker import Condition, Health
from appliance.core.choice import Choice, Drawn, Traits, choose
from appliance.core.delivery import Copy, NewDelivery
from appliance.core.ids import PoolId, ProviderId
from appliance.core.message import NewMessage
from appliance.flow.workshop import Rehearsed
from appliance.store.choosing import load_choices
from appliance.store.database import Store
from appliance.store.health import load_health
from appliance.store.tokens import Classify, Tokens
from appliance.store.waits import load_waits

MAX_COPIES = 10  # that are made for one request; the others differ in little
MAX_BYTES = 4 * 1024 * 1024  # of mails that are made, but for the last


@dataclass(slots=True)
class Outlook:
    """Pools, limits and upstreams at one moment, and what was shown so far."""

    now_ns: int
    health: Mapping[ProviderId, Health]
    limits: Tokens
    pools: dict[PoolId, Choice | None] = field(default_factory=dict)
    copies: int = 0
    size_bytes: int = 0

    @property
    def names(self) -> Mapping[ProviderId, str]:
        """The providers' names."""
        return self.limits.names

    @property
    def has_room(self) -> bool:
        """True if another copy may be shown."""
        return self.copies < MAX_COPIES and self.size_bytes <= MAX_BYTES

    def count(self, mail: Rehearsed | None) -> None:
        """Take note of a copy that is shown."""
        self.copies += 1
        self.size_bytes += 0 if mail is None else len(mail.content)

    def earliest(self, copy: Copy) -> tuple[int, str]:
        """When a mail would leave at the earliest, and what it waits for."""
        provider, domain = copy.provider, copy.recipient.domain
        if why := self.down(provider):
            return max(self.now_ns, self.health[provider].probe_ns or 0), why
        wait = self.limits.wait(provider, domain=domain)
        if wait is None:
            self.limits.take(provider, domain)
            return self.now_ns, ""
        why, due_ns = wait
        return due_ns, why

    def down(self, provider: ProviderId) -> str:
        """What mail waits for at a provider that is down, "" if it is up."""
        health = self.health.get(provider)
        if health is None or health.condition(self.now_ns) is Condition.UP:
            return ""
        name = self.names.get(provider, "")
        return f"provider {name} is down: {health.last_error}"


class Outlooks:
    """Makes outlooks, and draws in them."""

    def __init__(self, store: Store, classify: Classify) -> None:
        self._store = store
        self._classify = classify

    async def look(self, now_ns: int) -> Outlook:
        """How things stand.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        limits = await self._store.read(load_waits, now_ns, self._classify)
        return Outlook(now_ns, await self._store.read(load_health), limits)

    async def knows(self, outlook: Outlook, pool: PoolId | None) -> bool:
        """True if the pool has a provider; it and the one it overflows to are read.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        if pool is None:
            return False
        if pool not in outlook.pools:
            found = (await self._store.read(load_choices, [pool])).get(pool)
            outlook.pools[pool] = found
            if found is not None:
                await self.knows(outlook, found.overflow_pool)
        return outlook.pools[pool] is not None

    def draw(
        self, message: NewMessage, delivery: NewDelivery, outlook: Outlook
    ) -> Drawn:
        """The draw that this copy would have; its pool is known."""
        pool = outlook.pools[message.pool]
        assert pool is not None
        flows_to = pool.overflow_pool
        spare = None if flows_to is None else outlook.pools[flows_to]
        domain = delivery.recipient.mailbox.address.domain
        sender = str(message.submission.content.sender.address)

        def obstacle(provider: ProviderId) -> str:
            return outlook.down(provider) or outlook.limits.obstacle(provider, domain)

        traits = Traits(
            lambda: self._classify(domain).value, sender.rpartition("@")[2].lower()
        )
        return choose(pool, spare, traits, obstacle, outlook.names)
