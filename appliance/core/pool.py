"""A named choice among providers, made so that shares are true.

How a pool chooses is its ``Routing``: first a route, by a key of the delivery (or the
one route there is), then a member of that route, in turn and by weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from appliance.core.ids import PoolId, ProviderId
from appliance.core.recipient_class import RecipientClass

WHOLE = 100
ONLY = ""  # the key of the one route of a pool whose routing asks for no key
OTHERS = "others"  # the key of the route for what no other is for


class Routing(Enum):
    """What decides which members a delivery may go to."""

    ROUND_ROBIN = 0  # all, in turn
    RECIPIENT_CLASS = 1  # those for the mailbox provider it goes to
    SHARES = 2  # all, by percentage
    SENDER_DOMAIN = 3  # those for the domain in its From

    @property
    def has_keys(self) -> bool:
        """True if the pool has a route for each of several keys."""
        return self in (Routing.RECIPIENT_CLASS, Routing.SENDER_DOMAIN)


@dataclass(frozen=True, slots=True)
class Route:
    """The members for one key, with their weights: percent for SHARES, else 1."""

    key: str
    members: tuple[tuple[ProviderId, int], ...]


@dataclass(frozen=True, slots=True)
class NewPool:
    """What somebody wants a pool to be.

    ROUND_ROBIN needs no route, for it has all members. Where keys decide, what no
    route is for goes to ``others``, or else to all members in turn. With
    ``overflow`` a provider that is down or at its limit is passed over, for
    another member or else for one of ``overflow_pool``.
    """

    name: str
    routing: Routing
    members: tuple[ProviderId, ...]
    routes: tuple[Route, ...] = ()
    overflow: bool = False
    overflow_pool: PoolId | None = None

    @property
    def shares(self) -> tuple[tuple[ProviderId, int], ...]:
        """The percentage of each member that has one; empty for other routings."""
        if self.routing is not Routing.SHARES or not self.routes:
            return ()
        return self.routes[0].members


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(NewPool):
    """A pool as doors and operators see it."""

    id: PoolId
    uuid: UUID
    is_default: bool = False
    created_ns: int = 0  # 0: before times were kept


def by_shares(name: str, shares: Sequence[tuple[ProviderId, int]]) -> NewPool:
    """A pool of percentages."""
    members = tuple(provider for provider, _ in shares)
    return NewPool(name, Routing.SHARES, members, (Route(ONLY, tuple(shares)),))


@dataclass(slots=True)
class Share:
    """A provider's part of a route; ``credit`` is what the draws so far owe it."""

    provider: ProviderId
    percent: int
    credit: int = 0


def draw(shares: Sequence[Share]) -> ProviderId:
    """The provider of the next delivery; the credits move on in place.

    Smooth weighted round robin: each draw pays every share its weight and
    takes the sum from the one that is owed most. After any number of draws
    each provider is within one of its true share, and nothing is random.
    ``shares`` must not be empty. One without a weight is taken only if there is
    no other.
    """
    for share in shares:
        share.credit += share.percent
    weighty = [share for share in shares if share.percent] or shares
    chosen = max(weighty, key=lambda share: share.credit)
    chosen.credit -= sum(share.percent for share in shares)
    return chosen.provider


def balance(shares: Sequence[Share]) -> None:
    """Bring the credits back to a sum of nothing, after members came or went."""
    if not shares:
        return
    each, rest = divmod(sum(share.credit for share in shares), len(shares))
    for position, share in enumerate(shares):
        share.credit -= each + (position < rest)


def check_pool(new: NewPool) -> str:
    """What is wrong with a pool by itself, "" if nothing is."""
    if not new.members:
        return "a pool needs at least one provider"
    if len(set(new.members)) != len(new.members):
        return "a provider may be a member of a pool once"
    if new.overflow_pool is not None and not new.overflow:
        return "a pool to overflow to is of use only with overflow"
    if new.routing is Routing.SHARES:
        return _check_one_route(new) or check_shares([one for _, one in new.shares])
    if new.routing is Routing.ROUND_ROBIN:
        return "" if not new.routes else _check_one_route(new)
    return _check_keys(new)


def check_shares(percents: Sequence[int]) -> str:
    """What is wrong with these percentages, "" if nothing is."""
    if not percents:
        return "a pool needs at least one provider"
    if any(percent < 1 for percent in percents):
        return "each share is a whole percentage of at least 1"
    if sum(percents) != WHOLE:
        return f"the shares add up to {sum(percents)}, not {WHOLE}"
    return ""


def _check_one_route(new: NewPool) -> str:
    if [route.key for route in new.routes] != [ONLY]:
        return "this routing has one route, without a key"
    return _check_members(new, new.routes[0])


def _check_keys(new: NewPool) -> str:
    keys = [route.key for route in new.routes]
    if len(set(keys)) != len(keys):
        return "a key may have one route"
    for route in new.routes:
        if wrong := _check_key(new.routing, route.key) or _check_members(new, route):
            return wrong
    return ""


def _check_key(routing: Routing, key: str) -> str:
    if not key:
        return "each route of this routing needs a key"
    if routing is Routing.RECIPIENT_CLASS and key not in _CLASS_KEYS:
        return f"there is no recipient class {key}"
    return ""


def _check_members(new: NewPool, route: Route) -> str:
    providers = [provider for provider, _ in route.members]
    if not providers:
        return f"the route {route.key} needs at least one provider".replace("  ", " ")
    if len(set(providers)) != len(providers):
        return "a provider may be in a route once"
    if not set(new.members).issuperset(providers):
        return "a route may name members of its pool only"
    return ""


_CLASS_KEYS = {OTHERS, *(one.value for one in RecipientClass)}
