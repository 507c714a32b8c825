"""The calls about statistics, in both contracts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import pytest

from appliance.core.domain import Proof
from appliance.core.event import About, EventType, NewEvent, Scalar
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.stats import HOUR_NS, day_number
from appliance.core.submission import Dimensions
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.stats import parse_days
from appliance.edge.http.account import AccountDoor, Request
from appliance.edge.http.stats import StatCalls
from appliance.edge.keys import KeyRing
from appliance.flow import stats
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.stats import Statistics
from appliance.store.accounts import create_account
from appliance.store.database import Store
from appliance.store.transaction import Tx
from tests.fakes.account_desk import KEY, error
from tests.fakes.house import add_key, add_sender_domain
from tests.fakes.store import NOW_NS, open_temp_store, seed_in

ACCOUNT = "/api/v1/account/stat"
OURS = "/api/v1/account/subaccount/stat/1"
THEIRS = "/api/v1/account/subaccount/stat/2"
DAY = day_number(date(2026, 3, 1))
START_NS = DAY * 24 * HOUR_NS
DAYS = "?from=2026-03-01&to=2026-03-02"
ELEVEN = {
    *("processed", "sent", "dropped", "smtpDropped", "delivered", "softBounced"),
    *("hardBounced", "opened", "clicked", "unsubscribed", "spam"),
}
NOTHING = dict.fromkeys(ELEVEN, 0)
JAVA = {"User-Agent": "OpenAPI-Generator/1.0.0/java"}


@dataclass(frozen=True, slots=True)
class Desk:
    """The calls over a store with two accounts in it, 1 and 2, each with mail."""

    store: Store
    door: AccountDoor

    async def ask(
        self,
        path: str,
        *,
        legacy: bool = False,
        key: str = KEY,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to a GET, with the first account's key unless told else."""
        path, _, query = path.partition("?")
        contract = "legacy" if legacy else "v1"
        named = {
            "X-Account-ApiKey": key,
            "X-SendPost-Public-Contract": contract,
            **(headers or {}),
        }
        lower = [(k.lower().encode(), v.encode()) for k, v in named.items()]
        answer = await self.door.answer(
            Request("GET", path, query.encode(), lower, b"")
        )
        return httpx.Response(answer.status, content=answer.body)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Mail of two accounts on two days."""
    async with open_temp_store(tmp_path) as store:
        await store.write(_furnish)
        keys = KeyRing(await DirectoryKeeper.load(store), "operator")
        calls = StatCalls(store, Statistics(store, lambda: NOW_NS))
        yield Desk(store, AccountDoor(keys, Contract.V1, calls.calls()))


def _furnish(tx: Tx) -> None:
    add_key(tx, seed_in(tx).sub_account, KEY, whole_account=True)
    theirs = create_account(tx, "others", "boss", "scrypt$hash", NOW_NS)
    assert theirs is not None
    add_key(tx, theirs, "their-key", whole_account=True)
    facts: tuple[tuple[EventType, dict[str, Scalar]], ...] = (
        (EventType.PROCESSED, {}),
        (EventType.SENT, {"code": 250}),
        (EventType.DROPPED, {"stage": "rcpt", "code": 550, "enhanced": "5.1.1"}),
        (EventType.COMPLAINED, {}),
    )
    for type_, data in facts:
        tx.emit(_event(type_, START_NS, data))
    tx.emit(_event(EventType.OPENED, START_NS + 24 * HOUR_NS, {}))
    tx.emit(_event(EventType.SENT, START_NS, {}, sub_account=2, group="secret"))


def _event(
    type_: EventType,
    at_ns: int,
    data: dict[str, Scalar],
    *,
    sub_account: int = 1,
    group: str = "news",
) -> NewEvent:
    about = About(
        SubAccountId(sub_account),
        *(uuid7(), uuid7(), "shop@sender.example", "bob@gmail.com"),
        pool="main",
        provider="" if type_ is EventType.PROCESSED else "upstream",
        dimensions=Dimensions(groups=(group,)),
    )
    return NewEvent(type_, at_ns, about, data)


def nonzero(stat: dict[str, int]) -> dict[str, int]:
    """What was counted."""
    return {name: number for name, number in stat.items() if number}


FIRST = {"processed": 1, "sent": 1, "smtpDropped": 1}


@pytest.mark.parametrize("path", [f"{OURS}{DAYS}", f"{ACCOUNT}/group{DAYS}&group=news"])
async def test_days_of_a_sub_account_and_of_a_group(desk: Desk, path: str) -> None:
    """#32, #37: nested in the old contract, nested and flat in the new one."""
    legacy = (await desk.ask(path, legacy=True)).json()
    assert [set(row) for row in legacy] == [{"date", "stat"}] * 2
    assert [row["date"] for row in legacy] == ["2026-03-01", "2026-03-02"]
    assert all(set(row["stat"]) == ELEVEN for row in legacy)
    assert nonzero(legacy[0]["stat"]) == {**FIRST, "spam": 1}
    assert nonzero(legacy[1]["stat"]) == {"opened": 1}
    v1 = (await desk.ask(path)).json()
    assert v1 == [{**row, **row["stat"]} for row in legacy]


async def test_days_of_an_account(desk: Desk) -> None:
    """#35: nested in both; the old one spells complaints in two ways, but for Java."""
    path = f"{ACCOUNT}{DAYS}"
    first = (await desk.ask(path)).json()[0]
    assert set(first) == {"date", "stat"}
    assert nonzero(first["stat"]) == {**FIRST, "spam": 1}
    first = (await desk.ask(path, legacy=True)).json()[0]
    assert nonzero(first["stat"]) == {**FIRST, "spam": 1, "spams": 1}
    first = (await desk.ask(path, legacy=True, headers=JAVA)).json()[0]
    assert set(first["stat"]) == ELEVEN


@pytest.mark.parametrize(
    ("path", "spam"),
    [
        (f"{OURS}/aggregate{DAYS}", "spam"),
        (f"{OURS}/group{DAYS}&group=news", "spam"),
        (f"{ACCOUNT}/aggregate{DAYS}", "spams"),
        (f"{ACCOUNT}/aggregate/group/{DAYS}&group=news", "spam"),
    ],
)
async def test_all_in_one(desk: Desk, path: str, spam: str) -> None:
    """#33, #34, #36, #38: eleven counters, and one of them has two names."""
    expected = {**FIRST, "opened": 1}
    v1 = (await desk.ask(path)).json()
    assert set(v1) == ELEVEN
    assert nonzero(v1) == {**expected, "spam": 1}
    legacy = (await desk.ask(path, legacy=True)).json()
    assert set(legacy) == ELEVEN - {"spam"} | {spam}
    assert nonzero(legacy) == {**expected, spam: 1}


async def test_nobody_sees_the_mail_of_another_account(desk: Desk) -> None:
    """ATTACKS 12: a number guessed is a number that is not there."""
    for rest in ("", "/aggregate", "/group"):
        answer = await desk.ask(f"{THEIRS}{rest}{DAYS}&group=secret")
        assert error(answer, 404)[1] == "There is no such sub-account"
    for path in (f"{ACCOUNT}/aggregate/group", f"{OURS}/group"):
        answer = await desk.ask(f"{path}{DAYS}&group=secret")
        assert answer.json() == NOTHING
    for name in ("tpsp", "domain", "ippool", "provider", "subaccount", "smtpcode"):
        answer = await desk.ask(f"{ACCOUNT}/{name}{DAYS}")
        assert sum(row["sent"] for row in answer.json()) == 1, name
    theirs = (await desk.ask(f"{ACCOUNT}/aggregate{DAYS}", key="their-key")).json()
    assert nonzero(theirs) == {"sent": 1}
    assert (await desk.ask(f"{ACCOUNT}{DAYS}", key="wrong")).status_code == 401


@pytest.mark.parametrize("number", ["0", "3", "9" * 30])
async def test_an_unknown_sub_account_is_not_the_whole_account(
    desk: Desk, number: str
) -> None:
    """Nor is a number that no row can have."""
    path = f"/api/v1/account/subaccount/stat/{number}{DAYS}"
    assert (await desk.ask(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "param"),
    [
        (f"{ACCOUNT}", "from"),
        (f"{ACCOUNT}?from=2026-03-01", "to"),
        (f"{ACCOUNT}?from=20260301&to=2026-03-01", "from"),
        (f"{ACCOUNT}?from=2026-03-01&to=2026-02-30", "to"),
        (f"{ACCOUNT}?from=2026-03-02&to=2026-03-01", "to"),
        (f"{ACCOUNT}?from=2026-03-01&to=2026-04-02", "to"),
        (f"{OURS}?from=2026-03-01&to=2026-04-02", "to"),
        (f"{OURS}/aggregate?from=2026-03-01&to=2027-03-03", "to"),
        (f"{ACCOUNT}/group{DAYS}", "group"),
        (f"{ACCOUNT}/aggregate/group{DAYS}&group=", "group"),
        (f"{OURS}/group{DAYS}", "group"),
    ],
)
async def test_days_are_needed_and_bounded(desk: Desk, path: str, param: str) -> None:
    """400, and what is at fault."""
    assert error(await desk.ask(path), 400)[0] == param


async def test_the_longest_times_are_answered(desk: Desk) -> None:
    """A month of days, a year in one."""
    days = await desk.ask(f"{ACCOUNT}?from=2026-03-01&to=2026-03-31")
    assert len(days.json()) == 31
    year = await desk.ask(f"{ACCOUNT}/aggregate?from=2026-01-01&to=2026-12-31")
    assert year.json()["sent"] == 1


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("tpsp", {"tpspId": 1, "name": "upstream", "sent": 1, "throttled": 0}),
        ("domain", {"domainId": 1, "domain": "sender.example", "processed": 1}),
        ("ippool", {"ipPoolId": 1, "ipPoolName": "main", "pending": 0}),
        ("provider", {"provider": "gmail", "spam": 1}),
        ("subaccount", {"subAccountId": 1, "subAccountName": "default", "sent": 1}),
    ],
)
async def test_the_dashboard_sees_each_apart(
    desk: Desk, name: str, facts: dict[str, object]
) -> None:
    """With the numbers of the rows, which outlive no row."""
    (row,) = (await desk.ask(f"{ACCOUNT}/{name}{DAYS}")).json()
    assert set(row) >= ELEVEN
    assert {key: row[key] for key in facts} == facts


async def test_a_domain_that_two_have_keeps_its_number(desk: Desk) -> None:
    """Whoever adds it too, without having proven anything, takes nobody's place."""

    def add(tx: Tx) -> None:
        (id_,) = tx.db.execute(
            "INSERT INTO sub_account (uuid, account, name, created_ns)"
            " VALUES (randomblob(16), 1, 'second', 1) RETURNING id"
        ).fetchone()
        add_sender_domain(tx, id_, name="sender.example", proof=Proof.NONE)

    await desk.store.write(add)
    (row,) = (await desk.ask(f"{ACCOUNT}/domain{DAYS}")).json()
    assert row["domainId"] == 1


async def test_the_dashboard_sees_codes_and_groups(desk: Desk) -> None:
    """All groups only if it says that it is the dashboard."""
    rows = (await desk.ask(f"{ACCOUNT}/smtpcode{DAYS}")).json()
    found = {(row["smtpCode"], row["enhancedCode"], row["tpsp"]): row for row in rows}
    assert found[550, "5.1.1", "upstream"]["smtpDropped"] == 1
    assert found[250, "", "upstream"]["sent"] == 1
    headers = {"X-SendPost-Private-Api": "true"}
    (row,) = (await desk.ask(f"{ACCOUNT}/group{DAYS}", headers=headers)).json()
    assert row["group"] == "news"
    assert (await desk.ask(f"{ACCOUNT}/ip{DAYS}")).json() == []


def _many(tx: Tx, events: Sequence[NewEvent]) -> None:
    for one in events:
        tx.emit(one)


async def test_an_answer_is_of_this_moment(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much has come since the last look, and whoever counts it."""
    monkeypatch.setattr(stats, "AT_A_TIME", 3)
    many = [_event(EventType.SENT, START_NS, {}) for _ in range(10)]
    await desk.store.write(_many, many)
    answer = await desk.ask(f"{ACCOUNT}/aggregate{DAYS}")
    assert answer.json()["sent"] == 11


def test_any_query_is_read_or_refused() -> None:
    """Rubbish is a problem, never an error of ours."""
    for query in (b"", b"from", b"&" * 99, b"from=%ff&to=%00", "from=ä".encode()):
        assert "from" in repr(parse_days(query, 31)) or query.count(b"&") > 20
