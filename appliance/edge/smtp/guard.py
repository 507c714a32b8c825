"""Who guesses passwords is shut out for a while: by address, never by user.

An IPv4 address or an IPv6 /64 that fails too often within a while is blocked,
each time in a row for twice as long. What the owner of a key does elsewhere is
not touched by what others try in its name: a count by user or by key would let
anyone lock the owner out. Guessing from many addresses gains nothing against
keys of 128 bits and more, so it is only kept from filling our memory.

A block is a row and reaches all that ask by way of the directory; until it is
there, the guard remembers it itself.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from appliance import log as logs
from appliance.core.origin import origin_of
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.facts import moment
from appliance.settings.doors import Smtp
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.login_blocks import block_login

log = logs.get("smtp")

MAX_ORIGINS = 10_000  # with failures; whose last one is the oldest makes room
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """So many failures within so long a window block for so long the first time."""

    failures: int
    window_ns: int
    block_ns: int

    @classmethod
    def of(cls, smtp: Smtp) -> Self:
        """What the operator's settings ask for."""
        return cls(
            smtp.login_failures,
            int(smtp.login_window * _SECOND_NS),
            int(smtp.login_block * _SECOND_NS),
        )


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A block that the directory has from that generation on."""

    until_ns: int
    generation: float


class Guard:
    """Counts failed logins and tells who is blocked."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        thresholds: Thresholds,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._directory = directory
        self._thresholds = thresholds
        self._clock = clock
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()
        self._fresh: dict[str, _Fresh] = {}

    def blocked_until_ns(self, address: str) -> int:
        """Until when nobody may log in from there; 0 if anybody may."""
        until_ns = self._until_ns(origin_of(address))
        return until_ns if until_ns > self._clock() else 0

    async def failed(self, address: str) -> None:
        """A login from there was refused; returns once what follows is on disk."""
        origin, now_ns = origin_of(address), self._clock()
        if self._until_ns(origin) <= now_ns and self._is_too_much(origin, now_ns):
            await self._block(origin, now_ns)

    def succeeded(self, address: str) -> None:
        """A login from there was right: failures before it are forgiven."""
        self._failures.pop(origin_of(address), None)

    def _until_ns(self, origin: str) -> int:
        fresh = self._fresh.get(origin)
        if fresh is not None and not self._is_known(fresh):
            return fresh.until_ns
        block = self._directory.current.login_blocks.get(origin)
        return 0 if block is None else block.until_ns

    def _is_known(self, fresh: _Fresh) -> bool:
        return self._directory.current.generation >= fresh.generation

    def _is_too_much(self, origin: str, now_ns: int) -> bool:
        """Count one more failure; at the last one the count begins anew."""
        times = self._failures.pop(origin, None) or deque()
        while times and times[0] <= now_ns - self._thresholds.window_ns:
            times.popleft()
        times.append(now_ns)
        if len(times) >= self._thresholds.failures:
            return True
        self._failures[origin] = times
        if len(self._failures) > MAX_ORIGINS:
            self._failures.popitem(last=False)
        return False

    async def _block(self, origin: str, now_ns: int) -> None:
        first_ns = self._thresholds.block_ns
        self._remember(origin, _Fresh(now_ns + first_ns, math.inf))
        try:
            block, generation = await self._store.write(
                block_login, origin, now_ns, first_ns
            )
        except StoreUnavailable as error:  # then it holds until we stop
            log.warning("smtp.block_not_stored", address=origin, error=error)
            return
        self._remember(origin, _Fresh(block.until_ns, generation))
        log.warning(
            "smtp.blocked",
            address=origin,
            failures=self._thresholds.failures,
            times=block.blocks,
            until=moment(block.until_ns),
        )

    def _remember(self, origin: str, fresh: _Fresh) -> None:
        now_ns = self._clock()
        self._fresh = {
            other: one
            for other, one in self._fresh.items()
            if one.until_ns > now_ns and not self._is_known(one)
        }
        self._fresh[origin] = fresh
