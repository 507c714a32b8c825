"""Cuts a loop's sleep short."""

import trio


class Doorbell:
    """Wakes one loop; a ring while the loop works is not lost."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake the loop, now or at its next sleep."""
        self._rung.set()

    async def wait(self, at_most: float) -> None:
        """Returns when rung, or after ``at_most`` seconds."""
        with trio.move_on_after(at_most):
            await self._rung.wait()
        self._rung = trio.Event()
