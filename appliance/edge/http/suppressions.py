"""The calls about suppressions: added, shown, counted, removed.

They belong to a sub-account: its key sees and changes its own list only.
"""

from collections.abc import Awaitable, Callable

from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.paths import SUPPRESSION_COUNT, SUPPRESSIONS
from appliance.dialects.sendpost.suppression import (
    parse_add,
    parse_count,
    parse_list,
    parse_remove,
)
from appliance.dialects.sendpost.suppression_answer import (
    render_count,
    render_list,
    render_removed,
)
from appliance.edge.http.account import Ask, Call
from appliance.store.database import Store
from appliance.store.suppression_lists import (
    NewSuppression,
    put_suppressions,
    remove_suppressions,
)
from appliance.store.suppressions import count_suppressions, find_suppressions


class SuppressionCalls:
    """Each call; ``tell`` has what this process knows brought up to date."""

    def __init__(
        self,
        store: Store,
        tell: Callable[[], Awaitable[None]],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._tell = tell
        self._clock = clock

    def calls(self) -> dict[tuple[str, str], Call]:
        """All calls."""
        return {
            ("POST", SUPPRESSIONS): self.add,
            ("GET", SUPPRESSIONS): self.list,
            ("DELETE", SUPPRESSIONS): self.remove,
            ("GET", SUPPRESSION_COUNT): self.count,
        }

    async def add(self, ask: Ask) -> Answer | Problem:
        """New entries; one that is there already gets the reason that is told."""
        items = parse_add(ask.body)
        if isinstance(items, Problem):
            return items
        now_ns = self._clock()
        new = [NewSuppression(target, reason, now_ns) for target, reason in items]
        made = await self._store.write(put_suppressions, ask.owner, new)
        await self._tell()
        return render_list([one for one, _ in made], ask.contract)

    async def list(self, ask: Ask) -> Answer | Problem:
        """A part of the list, newest first."""
        wanted = parse_list(ask.query, ask.contract)
        if isinstance(wanted, Problem):
            return wanted
        found = await self._store.read(
            find_suppressions,
            ask.owner,
            wanted.filter,
            offset=wanted.page.offset,
            limit=wanted.page.limit,
            now_ns=self._clock(),
        )
        return render_list(found, ask.contract)

    async def remove(self, ask: Ask) -> Answer | Problem:
        """Away with entries, whatever their reason."""
        targets = parse_remove(ask.body)
        if isinstance(targets, Problem):
            return targets
        lifted = await self._store.write(remove_suppressions, ask.owner, targets)
        await self._tell()
        return render_removed(lifted, ask.contract)

    async def count(self, ask: Ask) -> Answer | Problem:
        """How many there are."""
        wanted = parse_count(ask.query)
        if isinstance(wanted, Problem):
            return wanted
        counted = await self._store.read(
            count_suppressions, ask.owner, wanted, now_ns=self._clock()
        )
        return render_count(counted)
