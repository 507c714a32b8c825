"""One draw from a pool: which provider, and why, in words that stay with the mail.

Without overflow the member whose turn it is gets the mail, whatever its state. With
overflow one that is in no state to take it is passed over: for another member of the
route, and if there is none, for one of the pool to overflow to. If nobody can take
it, it waits for the member whose turn it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import ONLY, OTHERS, Routing, Share, draw
from appliance.value import value

Obstacle = Callable[[ProviderId], str]  # why it can take no mail now, "" if it can


@value
class Drawn:
    """The provider that gets a delivery, and why."""

    provider: ProviderId
    why: str

    def instead_of(self, name: str, obstacle: str) -> "Drawn":
        """The same, as the way out because another one could not take it."""
        return Drawn(self.provider, f"overflow from {name}: {obstacle}; {self.why}")


@value
class Traits:
    """What routes go by."""

    recipient_class: Callable[[], str]  # asked for only if a pool wants to know
    sender_domain: str


@dataclass(slots=True)
class Choice:
    """A pool as draws see it; its credits move. ``moved`` names those routes."""

    id: PoolId
    name: str
    routing: Routing
    overflow: bool
    overflow_pool: PoolId | None
    routes: dict[str, list[Share]]
    moved: set[str] = field(default_factory=set)

    def route_for(self, traits: Traits) -> str:
        """The key of the route that a mail takes."""
        if not self.routing.has_keys:
            return ONLY
        by_class = self.routing is Routing.RECIPIENT_CLASS
        key = traits.recipient_class() if by_class else traits.sender_domain
        if key in self.routes:
            return key
        return OTHERS if OTHERS in self.routes else ONLY

    def next(self, key: str) -> ProviderId:
        """The member whose turn it is."""
        shares = [share for share in self.routes[key] if share.percent]
        shares = shares or self.routes[key]
        return max(shares, key=lambda one: one.credit + one.percent).provider

    def take(self, key: str, among: Sequence[Share]) -> Drawn:
        """Draw one of these members of a route."""
        self.moved.add(key)
        provider = draw(among)
        return Drawn(provider, self._why(key, provider))

    def _why(self, key: str, provider: ProviderId) -> str:
        if self.routing is Routing.SHARES:
            percents = {one.provider: one.percent for one in self.routes[key]}
            return f"share {percents[provider]}% of pool {self.name}"
        return f"{key or 'round robin'} in pool {self.name}"


def choose(
    pool: Choice,
    spare: Choice | None,
    traits: Traits,
    obstacle: Obstacle,
    names: Mapping[ProviderId, str],
) -> Drawn:
    """Draw a provider for a mail that has none; ``spare`` is what ``pool`` flows to."""
    key = pool.route_for(traits)
    if not pool.overflow:
        return pool.take(key, pool.routes[key])
    first = pool.next(key)
    why = obstacle(first)
    if not why:
        return pool.take(key, _able(pool.routes[key], obstacle))
    instead = elsewhere(pool, spare, traits, obstacle)
    if instead is None:
        return pool.take(key, pool.routes[key])
    return instead.instead_of(names.get(first, str(first)), why)


def elsewhere(
    pool: Choice, spare: Choice | None, traits: Traits, obstacle: Obstacle
) -> Drawn | None:
    """One that can take the mail now: of its pool, or else of the spare pool."""
    for one in (pool, spare):
        if one is None or not one.routes:
            continue
        key = one.route_for(traits)
        if able := _able(one.routes[key], obstacle):
            return one.take(key, able)
    return None


def _able(shares: Sequence[Share], obstacle: Obstacle) -> list[Share]:
    return [share for share in shares if not obstacle(share.provider)]
