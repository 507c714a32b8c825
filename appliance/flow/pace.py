"""Lets so much happen a second, evenly: what can wait must not delay the rest."""

import trio

# That may be made up for at once when the loop was late; more would make it late again.
BURST = 3


class Pace:
    """Slots in time that are given to whoever comes, in order."""

    def __init__(self, per_second: float) -> None:
        self._step = 1.0 / per_second
        self._next = 0.0

    async def wait(self) -> None:
        """Returns when the next slot has come."""
        now = trio.current_time()
        slot = max(self._next, now - BURST * self._step)
        self._next = slot + self._step
        await trio.sleep_until(slot)
