"""Takes in what upstreams' logs say became of the mail."""

from collections.abc import Callable, Sequence

from appliance.core.event import EventType
from appliance.core.ids import ProviderId
from appliance.core.report import Report
from appliance.flow.directory import DirectoryKeeper
from appliance.log import get
from appliance.store.database import Store
from appliance.store.reports import Batch, record_reports

log = get("postroom.reports")

REPORT_BYTES = 300  # what one weighs in a commit, about


class ReportDesk:
    """Where log agents report; what is answered is on disk."""

    def __init__(
        self, store: Store, directory: DirectoryKeeper, clock: Callable[[], int]
    ) -> None:
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
        batch = Batch(provider, tuple(reports), self._clock())
        believed = await self._store.write_each(
            record_reports, batch, REPORT_BYTES * len(reports)
        )
        if any(one.type is EventType.HARD_BOUNCED for one in reports):
            await self._directory.refresh_suppressions()
        if not all(believed):
            refused = believed.count(False)
            log.warning("reports.refused", provider=provider, reports=refused)
        return believed
