"""The log of events as endpoints read it: who has read as far shares what was read.

Endpoints that keep up all ask for the same page, so it is read, and judged, once.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trio

from appliance.core.ids import AccountId, EventNumber, SubAccountId
from appliance.core.webhook import Endpoint, Fact
from appliance.flow.feed import Feed
from appliance.store.database import Store
from appliance.store.webhook_facts import Page, load_page

PAGE = 64  # events
KEPT = 8  # pages


@dataclass(frozen=True, slots=True)
class Sorted:
    """A page by those who may be told of what is in it.

    An event whose message named an endpoint is for that one alone (``apart``).
    """

    page: Page
    of_account: Mapping[AccountId, Sequence[Fact]] = field(repr=False)
    apart: Mapping[tuple[SubAccountId, str], Sequence[Fact]] = field(repr=False)

    def for_endpoint(self, one: Endpoint) -> Sequence[Fact]:
        """The events that are this endpoint's to hear of, wanted or not (ATTACKS 12).

        Those of its account, and of its sub-account if it belongs to one.
        """
        if one.per_message:
            assert one.sub_account is not None
            return self.apart.get((one.sub_account, one.url), ())
        facts = self.of_account.get(one.account, ())
        if one.sub_account is None:
            return facts
        return [
            each for each in facts if each.event.about.sub_account == one.sub_account
        ]


class Pages:
    """The newest pages that somebody read."""

    def __init__(self, store: Store, feed: Feed) -> None:
        self._store = store
        self._feed = feed
        self._turn = trio.Lock()
        self._kept: OrderedDict[tuple[int, int], Sorted] = OrderedDict()

    async def read(self, after: int) -> Sorted:
        """The page behind a number.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        last = self._feed.last_number
        if after >= last:
            await trio.lowlevel.checkpoint()
            return sort(Page((), EventNumber(after), EventNumber(0)))
        key = after, last
        if found := self._kept.get(key):
            return found
        async with self._turn:
            if found := self._kept.get(key):
                return found
            made = sort(await self._store.read(load_page, after, PAGE))
            self._kept[key] = made
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def sort(page: Page) -> Sorted:
    """The page by those who may be told; events about no mail are nobody's."""
    accounts: defaultdict[AccountId, list[Fact]] = defaultdict(list)
    apart: defaultdict[tuple[SubAccountId, str], list[Fact]] = defaultdict(list)
    for fact in page.facts:
        owner = fact.event.about.sub_account
        if fact.apart:
            apart[owner, fact.mail.webhook_url].append(fact)
        elif fact.account:
            accounts[fact.account].append(fact)
    return Sorted(page, accounts, apart)
