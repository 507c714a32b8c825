"""The calls about statistics: an account's key sees its own sub-accounts' counters.

What is not counted yet is counted first, so that an answer is of this moment.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import trio

from appliance.core.credential import SubAccount
from appliance.core.ids import AccountId, SubAccountId
from appliance.core.stats import Kind, Question
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.paths import STATS, SUB_ACCOUNT_STATS
from appliance.dialects.sendpost.stat_rows import (
    OWN_ADDRESSES,
    SORTS,
    SUB_ACCOUNTS,
    Facts,
    Sort,
    sub_account_row,
)
from appliance.dialects.sendpost.stats import (
    MOST_DAYS,
    MOST_DAYS_IN_ALL,
    NO_SUB_ACCOUNT,
    NOT_YET,
    Days,
    is_private,
    names_group,
    parse_days,
    reads_spam,
    render_account_days,
    render_days,
    render_total,
    spam_of_account,
)
from appliance.edge.http.account import NUMBER, Ask, Call
from appliance.flow.stats import Statistics
from appliance.store.accounts import list_sub_accounts
from appliance.store.database import Store
from appliance.store.stat_answers import (
    by_day,
    by_key,
    by_sub_account,
    row_numbers,
    total,
)
from appliance.store.stats import MAX_KEY, NOBODY
from appliance.store.transaction import View

T = TypeVar("T")

PATIENCE_SECONDS = 5.0  # for what is not counted yet
MOST_ROWS = 1_000
GROUP = "group"


class StatCalls:
    """Each call."""

    def __init__(self, store: Store, statistics: Statistics) -> None:
        self._store = store
        self._statistics = statistics

    def calls(self) -> dict[tuple[str, str], Call]:
        """All calls."""
        one = f"{SUB_ACCOUNT_STATS}/{NUMBER}"
        sorts = {
            ("GET", f"{STATS}/{name}"): partial(self.sorted, sort)
            for name, sort in SORTS.items()
        }
        return {
            **sorts,
            ("GET", one): self.sub_account_days,
            ("GET", f"{one}/aggregate"): self.sub_account_total,
            ("GET", f"{one}/{GROUP}"): self.sub_account_group,
            ("GET", STATS): self.account_days,
            ("GET", f"{STATS}/aggregate"): self.account_total,
            ("GET", f"{STATS}/aggregate/{GROUP}"): self.account_group,
            ("GET", f"{STATS}/{GROUP}"): self.group_days,
            ("GET", f"{STATS}/{SUB_ACCOUNTS}"): self.sub_accounts,
            ("GET", f"{STATS}/{OWN_ADDRESSES}"): self.addresses,
        }

    async def sub_account_days(self, ask: Ask) -> Answer | Problem:
        """Each day of a sub-account."""
        found = await self._answer(ask, MOST_DAYS, by_day, one=ask.number)
        return _rendered(found, lambda days: render_days(days, ask.contract))

    async def sub_account_total(self, ask: Ask) -> Answer | Problem:
        """All of a sub-account in one."""
        found = await self._answer(ask, MOST_DAYS_IN_ALL, total, one=ask.number)
        return _rendered(found, render_total)

    async def sub_account_group(self, ask: Ask) -> Answer | Problem:
        """A group of a sub-account's mail in one."""
        found = await self._answer(
            ask, MOST_DAYS_IN_ALL, total, one=ask.number, with_group=True
        )
        return _rendered(found, render_total)

    async def account_days(self, ask: Ask) -> Answer | Problem:
        """Each day of the account."""
        only_spam = reads_spam(ask.headers)
        found = await self._answer(ask, MOST_DAYS, by_day)
        return _rendered(
            found,
            lambda days: render_account_days(days, ask.contract, only_spam=only_spam),
        )

    async def account_total(self, ask: Ask) -> Answer | Problem:
        """All of the account in one."""
        spam = spam_of_account(ask.contract)
        found = await self._answer(ask, MOST_DAYS_IN_ALL, total)
        return _rendered(found, lambda counts: render_total(counts, spam))

    async def account_group(self, ask: Ask) -> Answer | Problem:
        """A group of the account's mail in one."""
        found = await self._answer(ask, MOST_DAYS_IN_ALL, total, with_group=True)
        return _rendered(found, render_total)

    async def group_days(self, ask: Ask) -> Answer | Problem:
        """Each day of a group; the dashboard, which names none, gets all groups."""
        if is_private(ask.headers) and not names_group(ask.query):
            return await self.sorted(SORTS[GROUP], ask)
        found = await self._answer(ask, MOST_DAYS, by_day, with_group=True)
        return _rendered(found, lambda days: render_days(days, ask.contract))

    async def sorted(self, sort: Sort, ask: Ask) -> Answer | Problem:
        """Each provider, domain, pool or what else the account's mail has."""
        found = await self._answer(ask, MOST_DAYS_IN_ALL, partial(_sorted, sort))
        return _rendered(found, render)

    async def sub_accounts(self, ask: Ask) -> Answer | Problem:
        """Each sub-account."""
        found = await self._answer(ask, MOST_DAYS_IN_ALL, _sub_accounts)
        return _rendered(found, render)

    async def addresses(self, ask: Ask) -> Answer | Problem:
        """Each address of ours that mail left from: none."""
        days = parse_days(ask.query, MOST_DAYS_IN_ALL)
        return days if isinstance(days, Problem) else render([])

    async def _answer(
        self,
        ask: Ask,
        most: int,
        answer: Callable[[View, Question], T],
        *,
        one: int | None = None,
        with_group: bool = False,
    ) -> T | Problem:
        """The answer about the account's mail, or that of one sub-account."""
        days = parse_days(ask.query, most, with_group=with_group)
        if isinstance(days, Problem):
            return days
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            await self._statistics.catch_up()
        if patience.cancelled_caught:
            return NOT_YET
        return await self._store.read(_answered, ask.account, one, days, answer)


def _answered(
    view: View,
    account: AccountId,
    one: int | None,
    days: Days,
    answer: Callable[[View, Question], T],
) -> T | Problem:
    ours = frozenset(sub.id for sub in _owned(view, account))
    if one is not None:
        ours &= {SubAccountId(one)}
        if not ours:
            return NO_SUB_ACCOUNT
    kind = Kind.GROUP if days.group else Kind.TOTAL
    key = days.group[:MAX_KEY]
    return answer(view, Question(days.first, days.last, kind, key, ours))


def _owned(view: View, account: AccountId) -> list[SubAccount]:
    return [one for one in list_sub_accounts(view) if one.account == account]


def _sub_accounts(view: View, question: Question) -> list[Facts]:
    found, ours = by_sub_account(view, question), question.sub_accounts or ()
    every = [one for one in list_sub_accounts(view) if one.id in ours]
    return [sub_account_row(one, found.get(one.id)) for one in every]


def _sorted(sort: Sort, view: View, question: Question) -> list[Facts]:
    ours = question.sub_accounts or frozenset()
    asked = replace(question, kind=sort.kind, key="", sub_accounts=ours | {NOBODY})
    ids = row_numbers(view, sort.kind, ours) if sort.named else {}
    found = by_key(view, asked, MOST_ROWS)
    return [sort.row(key, counts, ids) for key, counts in found.items()]


def _rendered(found: T | Problem, render_it: Callable[[T], Answer]) -> Answer | Problem:
    return found if isinstance(found, Problem) else render_it(found)
