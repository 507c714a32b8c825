"""Deadlines that move with every step, for the price of an attribute.

A trio deadline that is set anew for each command costs more than the command. Here one
timer sleeps until the earliest moment at which the deadline of then could pass, and
looks again; so it wakes once in a while, and is never late.
"""

import math

import trio


class Watchdog:
    """Cancels ``scope`` once the time that was last allowed is over.

    What is allowed is never less than ``shortest`` seconds. `run` must run beside it,
    and ends by `stop` or with the scope.
    """

    __slots__ = ("_due", "_shortest", "_sleep", "scope")

    def __init__(self, shortest: float) -> None:
        self.scope = trio.CancelScope()
        self._shortest = shortest
        self._due = math.inf
        self._sleep = trio.CancelScope()

    @property
    def bites(self) -> bool:
        """True once the time is over, though the wait may have ended as well."""
        return self.scope.cancel_called

    def allow(self, seconds: float) -> None:
        """From now on, so many seconds, whatever was allowed before."""
        self._due = trio.current_time() + seconds

    def rest(self) -> None:
        """What is done now may take any time."""
        self._due = math.inf

    def stop(self) -> None:
        """Watch no more."""
        self._sleep.cancel()

    async def run(self) -> None:
        """Watches."""
        with self._sleep:
            while (now := trio.current_time()) < self._due:  # noqa: ASYNC110 - it moves
                await trio.sleep_until(min(self._due, now + self._shortest))
            self.scope.cancel()
