"""A named choice among providers by percentage, made so that shares are true."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from appliance.core.ids import PoolId, ProviderId

WHOLE = 100


@dataclass(slots=True)
class Share:
    """A provider's part of a pool; ``credit`` is what the draws so far owe it."""

    provider: ProviderId
    percent: int
    credit: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as doors and operators see it."""

    id: PoolId
    uuid: UUID
    name: str
    is_default: bool
    shares: tuple[tuple[ProviderId, int], ...]


def draw(shares: Sequence[Share]) -> ProviderId:
    """The provider of the next delivery; the credits move on in place.

    Smooth weighted round robin: each draw pays every share its percentage and
    takes a whole from the one that is owed most. After any number of draws
    each provider is within one of its true share, and nothing is random.
    ``shares`` must not be empty.
    """
    for share in shares:
        share.credit += share.percent
    chosen = max(shares, key=lambda share: share.credit)
    chosen.credit -= sum(share.percent for share in shares)
    return chosen.provider


def check_shares(percents: Sequence[int]) -> str:
    """What is wrong with these percentages, "" if nothing is."""
    if not percents:
        return "a pool needs at least one provider"
    if any(percent < 1 for percent in percents):
        return "each share is a whole percentage of at least 1"
    if sum(percents) != WHOLE:
        return f"the shares add up to {sum(percents)}, not {WHOLE}"
    return ""
