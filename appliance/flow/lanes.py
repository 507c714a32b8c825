"""The lanes of all providers: made when mail comes for one, anew when it changed."""

from collections.abc import Callable
from typing import TypeAlias

import trio

from appliance.core.ids import ProviderId
from appliance.core.provider import Provider
from appliance.flow.lane import Job, Lane, Settled

MakeLane: TypeAlias = Callable[[Provider, Settled], Lane]


class Lanes:
    """A lane for each provider that got mail."""

    def __init__(self, make_lane: MakeLane, settled: Settled) -> None:
        self._make_lane = make_lane
        self._settled = settled
        self._lanes: dict[ProviderId, tuple[Provider, Lane]] = {}

    def put(self, provider: Provider, job: Job, nursery: trio.Nursery) -> None:
        """Have the provider's lane take a job; a new one runs in ``nursery``."""
        self._lane(provider, nursery).put(job)

    def retry_plan(self, provider: ProviderId) -> str:
        """The plan of the provider as its lane knows it, "" where the general holds."""
        known = self._lanes.get(provider)
        return "" if known is None else known[0].retry_plan

    def close(self) -> None:
        """Let each end after what it carries."""
        for _, lane in self._lanes.values():
            lane.close()

    def _lane(self, provider: Provider, nursery: trio.Nursery) -> Lane:
        known = self._lanes.get(provider.id)
        if known is not None and known[0] == provider:
            return known[1]
        if known is not None:
            known[1].close()
        lane = self._make_lane(provider, self._settled)
        self._lanes[provider.id] = provider, lane
        nursery.start_soon(lane.run)
        return lane
