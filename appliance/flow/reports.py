"""Takes in what upstreams' logs and our return paths say became of the mail."""

from collections.abc import Callable, Sequence

from appliance.core.ids import ProviderId, SubAccountId
from appliance.core.report import Report
from appliance.flow.directory import DirectoryKeeper
from appliance.log import get
from appliance.store.database import Store
from appliance.store.reports import SUPPRESSES, Batch, record_reports

log = get("postroom.reports")

SECOND_NS = 1_000_000_000
REPORT_BYTES = 300  # what one weighs in a commit, about


class ReportDesk:
    """Where reports are handed in; what is answered is on disk."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        clock: Callable[[], int],
        *,
        hard_bounce_s: float = 0,
    ) -> None:
        """Hard bounces suppress for so many seconds, 0 for ever."""
        self._hard_lasts_ns = int(hard_bounce_s * SECOND_NS) or None
        self._store = store
        self._directory = directory
        self._clock = clock

    async def take(
        self, provider: ProviderId, reports: Sequence[Report]
    ) -> Sequence[bool]:
        """For each report whether it was believed; none at all is a sign of life.

        Raises:
            StoreUnavailable: nothing was recorded.
        """
        lasts_ns = self._hard_lasts_ns
        batch = Batch(provider, tuple(reports), self._clock(), hard_lasts_ns=lasts_ns)
        believed = await self._record(batch)
        if not all(believed):
            refused = believed.count(False)
            log.warning("reports.refused", provider=provider, reports=refused)
        return believed

    async def take_returned(
        self, sub_account: SubAccountId, reports: Sequence[Report]
    ) -> Sequence[bool]:
        """The same for what came to return paths of this sub-account.

        Raises:
            StoreUnavailable: nothing was recorded.
        """
        now_ns = self._clock()
        lasts_ns = self._hard_lasts_ns
        batch = Batch(None, tuple(reports), now_ns, sub_account, lasts_ns)
        return await self._record(batch)

    async def _record(self, batch: Batch) -> Sequence[bool]:
        believed = await self._store.write_each(
            record_reports, batch, REPORT_BYTES * len(batch.reports)
        )
        if any(one.type in SUPPRESSES for one in batch.reports):
            await self._directory.refresh_suppressions()
        return believed
