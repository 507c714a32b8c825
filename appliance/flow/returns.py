"""Takes in what comes back: bounces, complaints, and unsubscribes by mail.

An address proves itself before any content is read (``flow/return_places.py``), a
complaint by what it quotes of the mail. What proves nothing is counted and forgotten,
so that a forgery suppresses nobody (ATTACKS 24). A copy whose id others have seen is
proven by its own way out in the mail that is returned: whoever has that could use it.
Nothing here sends or answers anything: loops and bounces of bounces end here
(ATTACKS 8).
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import trio

from appliance.core.address import Address
from appliance.core.ids import SubAccountId
from appliance.core.report import Report
from appliance.core.token import Token, TokenKind
from appliance.core.visitor import Visitor
from appliance.flow.engagement import EngagementDesk
from appliance.flow.reports import ReportDesk
from appliance.flow.return_places import Complaints, Place, Places, Refused, WayOut
from appliance.flow.return_words import (
    Kind,
    clues_of,
    complaint_of,
    is_complaint,
    kind_of,
    report_of,
)
from appliance.log import get
from appliance.mime.returned import AutoReply, Bounced, Complaint, Returned, Unknown
from appliance.mime.returns import last_of_subject, read_return, ways_out
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.returns import (
    Gone,
    add_return_counts,
    find_gone,
    find_gone_by_message,
)

log = get("postroom.returns")

SMALL_BYTES = 16 * 1024  # read in some milliseconds
PAUSE_SECONDS = 5.0  # so many seconds of counting a crash may lose

_COUNTED = {Refused.NOT_OURS: Kind.NOT_OURS, Refused.UNKNOWN: Kind.FORGED}


class ReturnDesk:
    """Knows what may come back, and sees to what follows; one for all sessions."""

    def __init__(
        self,
        store: Store,
        places: Places,
        reports: ReportDesk,
        engagement: EngagementDesk,
    ) -> None:
        self._store = store
        self._places = places
        self._reports = reports
        self._engagement = engagement
        self._threads = trio.CapacityLimiter(1)
        self._counts: Counter[Kind] = Counter()

    async def place(self, address: Address) -> Place | Refused:
        """What mail to this address is about, or why none is taken.

        Raises:
            StoreUnavailable: it cannot be told now.
        """
        found = await self._places.find(address)
        if isinstance(found, Refused):
            self._counts[_COUNTED[found]] += 1
        return found

    # --- what came --------------------------------------------------------------

    async def take(self, places: Sequence[Place], data: bytes) -> None:
        """See to one mail; on return all that follows from it is on disk.

        Raises:
            StoreUnavailable: not all of it is; the same mail may come again.
        """
        readers = [one for one in places if not isinstance(one, WayOut)]
        reports: list[tuple[SubAccountId, Report]] = []
        if readers:
            returned = await self._read(data)
            for one in readers:
                reports += await self._tell(one, returned, data)
        await self._record(reports)
        for place in places:
            if isinstance(place, WayOut):
                await self._let_out(place.token, data)

    async def _read(self, data: bytes) -> Returned:
        """What the mail is; a large one is read in a thread."""
        if len(data) <= SMALL_BYTES:
            return read_return(data)
        return await trio.to_thread.run_sync(read_return, data, limiter=self._threads)

    async def _tell(
        self, place: Gone | Complaints, returned: Returned, data: bytes
    ) -> list[tuple[SubAccountId, Report]]:
        """What is to be recorded of it; what is not is counted here."""
        gone = place if isinstance(place, Gone) else None
        report: Report | None = None
        kind = Kind.NO_NEWS
        match returned:
            case Bounced(recipients) if gone is not None:
                report = report_of(self._proven(gone, data), recipients)
            case Complaint() if is_complaint(returned):
                gone = gone or await self._complained(returned)
                if gone is not None:
                    report = complaint_of(self._proven(gone, data), returned)
                kind = Kind.UNPROVEN
            case AutoReply():
                kind = Kind.AUTO_REPLY
            case Unknown(reason):
                kind = Kind.UNREADABLE
                log.info("returns.not_understood", reason=reason)
        if report is None or gone is None:
            self._counts[kind] += 1
            return []
        return [(gone.sub_account, report)]

    def _proven(self, gone: Gone, data: bytes) -> Gone:
        """The copy, no longer doubted if what came holds its own way out."""
        if not gone.shown:
            return gone
        read, kind = self._engagement.read, TokenKind.UNSUBSCRIBE
        tokens = (read(kind, text) for text in ways_out(data))
        own = any(one and one.delivery == gone.delivery for one in tokens)
        return replace(gone, shown=not own)

    async def _complained(self, complaint: Complaint) -> Gone | None:
        """The copy that a complaint is about, None if it proves none."""
        for clue in clues_of(complaint):
            find = find_gone_by_message if clue.of_message else find_gone
            gone = await self._store.read(find, clue.uuid)
            if gone is not None:
                return gone
        return None

    async def _record(self, reports: Sequence[tuple[SubAccountId, Report]]) -> None:
        by_owner: dict[SubAccountId, list[Report]] = {}
        for owner, report in reports:
            by_owner.setdefault(owner, []).append(report)
        for owner, some in by_owner.items():
            await self._reports.take_returned(owner, some)
            self._counts.update(map(kind_of, some))

    async def _let_out(self, token: Token, data: bytes) -> None:
        """Heed a wish; of a delivery that is forgotten the subject says whose it is."""
        known = await self._engagement.record(token, Visitor())
        if not known and (whole := self._token_in(last_of_subject(data), token)):
            known = await self._engagement.record(whole, Visitor())
        self._counts[Kind.UNSUBSCRIBE if known else Kind.UNREADABLE] += 1
        if not known:
            log.info("returns.unsubscribe_forgotten", delivery=token.delivery)

    def _token_in(self, text: str, proof: Token) -> Token | None:
        """The whole of the token that the address proves, None if this is another."""
        whole = self._engagement.read(TokenKind.UNSUBSCRIBE, text)
        return whole if whole and whole.delivery == proof.delivery else None

    # --- counting ---------------------------------------------------------------

    async def run(self) -> None:
        """Keep the counts on disk, for as long as the process lives."""
        while True:
            await trio.sleep(PAUSE_SECONDS)
            try:
                await self.run_once(time.time_ns())
            except StoreUnavailable as error:
                log.warning("returns.store_unavailable", error=error)

    async def run_once(self, now_ns: int) -> None:
        """Write what was counted: a flood of forgeries costs a sync now and then.

        Raises:
            StoreUnavailable: nothing was written; it is still counted.
        """
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        words = {kind.value: times for kind, times in counts.items()}
        try:
            await self._store.write(add_return_counts, words, now_ns)
        except StoreUnavailable:
            self._counts.update(counts)
            raise
