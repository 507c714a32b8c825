"""Notes which final dots are about to leave, many to a commit.

A long content is on its way meanwhile. While the disk takes no note, the dot waits, and
the connection gives up at its own deadline: no mail is sent of which we could not
know after a crash that it may have been.
"""

from collections.abc import Callable

import trio

from appliance import failpoint
from appliance.core.ids import DeliveryId
from appliance.log import get
from appliance.store.database import Store
from appliance.store.doubt import Dot, note_dots
from appliance.store.errors import StoreUnavailable

log = get("postroom.relay")

AGAIN_SECONDS = 1.0


class Dots:
    """The notes of one store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    def note(self, delivery: DeliveryId) -> "Noted":
        """Have it noted with the next commit that this delivery's dot may leave."""
        return Noted(self._store, Dot(delivery, self._clock()))


class Noted:
    """A note on its way to the disk."""

    __slots__ = ("_answer", "_dot", "_store", "_task")

    def __init__(self, store: Store, dot: Dot) -> None:
        self._store = store
        self._dot = dot
        self._answer: bool | Exception | None = None
        self._task: trio.lowlevel.Task | None = None
        self._ask()

    async def wait(self) -> bool:
        """True once the note is on disk; False if the delivery is not ours now."""
        while True:
            if self._answer is None:
                await self._sleep()
            answer = self._answer
            if isinstance(answer, bool):
                failpoint.reach("dot.after_mark")
                return answer
            log.warning("relay.dot_not_noted", error=answer)
            await trio.sleep(AGAIN_SECONDS)
            self._answer = None
            self._ask()

    def _ask(self) -> None:
        try:
            self._store.write_later(note_dots, self._dot, self._tell)
        except StoreUnavailable as error:
            self._answer = error

    def _tell(self, answer: bool | Exception) -> None:  # noqa: FBT001  a callback's
        self._answer = answer
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    async def _sleep(self) -> None:
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._wake)

    def _wake(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
