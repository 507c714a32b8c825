"""Looks once a minute at what limits hold back: has it waited too long, or for nothing?

Without limits it looks at nothing.
"""

from collections.abc import Mapping

from appliance.core.breaker import Restraint
from appliance.core.ids import ProviderId
from appliance.core.throttle import NO_LIMITS
from appliance.flow.directory import DirectoryKeeper
from appliance.log import get
from appliance.store.database import Store
from appliance.store.limit_wait import give_up, leave_limits

log = get("postroom.relay")

SECOND_NS = 1_000_000_000
LOOK_NS = 60 * SECOND_NS


class LimitWatch:
    """Ends what waited for a limit too long."""

    def __init__(
        self, store: Store, directory: DirectoryKeeper, wait_seconds: float
    ) -> None:
        self._store = store
        self._directory = directory
        self._wait_ns = int(wait_seconds * SECOND_NS)
        self._looked_ns = 0

    async def look(self, now_ns: int, down: Mapping[ProviderId, Restraint]) -> None:
        """Look, if it is time to; ``down`` are the providers that are not up.

        Raises:
            StoreUnavailable: nothing could be changed.
        """
        if 0 <= now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        providers = self._directory.current.providers.values()
        if all(one.limits == NO_LIMITS for one in providers):
            return
        given_up = await self._store.write(give_up, now_ns, self._wait_ns)
        if given_up:
            log.warning("relay.limit_wait_exceeded", deliveries=given_up)
            self._looked_ns = 0  # there may be more
        if down:
            await self._store.write(leave_limits, down)
