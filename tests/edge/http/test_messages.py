"""Looking up messages and events over real HTTP (spec 12.3, 13)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from appliance.core.credential import SubAccount
from appliance.core.event import EVERYTHING, EventType, NewEvent, Scalar
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.lookup import parse_events, parse_messages
from appliance.store.events import list_events
from appliance.store.transaction import Tx
from tests.fakes.account_desk import error
from tests.fakes.house import House, add_key, add_tenant, open_house

MESSAGES = "/api/v1/account/message"
EVENTS = "/api/v1/account/event"
V1_KEYS = {
    "messageId",
    "subAccountId",
    "publicIp",
    "emailType",
    "submittedAt",
    "from",
    "replyTo",
    "to",
    "headerTo",
    "headerCc",
    "headerBcc",
    "attachments",
    "groups",
    "ipPool",
    "headers",
    "subject",
    "preText",
    "htmlBody",
    "textBody",
    "ampBody",
    "trackOpens",
    "trackClicks",
}
_LEGACY = (
    "messageID accountID subAccountID ipID accountIPPoolID publicIP localIP emailType"
    " submittedAt from replyTo to headerTo headerCc headerBcc attachments groups ipPool"
    " headers customFields subject preText htmlBody textBody ampBody trackOpens"
    " trackClicks attempt webhookEndpoint mxRecords"
)
LEGACY_KEYS = set(_LEGACY.split())
MAIL = {
    "to": [
        {
            "email": "bob@rcpt.example",
            "name": "Bob",
            "cc": [{"email": "cc@rcpt.example"}],
            "bcc": [{"email": "bcc@rcpt.example"}],
            "customFields": {"order": "<4711>"},
        }
    ],
    "subject": "Order {{order}}",
    "htmlBody": "<p>{{order}} <a href='https://x.example/'>x</a></p>",
    "textBody": "{{order}}",
    "groups": ["vip"],
    "headers": {"X-Shop": "1"},
    "replyTo": {"email": "reply@shop.example", "name": "Us"},
    "attachments": [{"filename": "a.txt", "content": "aGk="}],
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server."""
    async with open_house(tmp_path) as one:
        yield one


async def ask(
    house: House,
    path: str,
    *,
    key: str = "",
    contract: str = "v1",
    private: bool = False,
) -> httpx.Response:
    """The answer to one call, with the account's key unless told else."""
    named = {
        "X-Account-ApiKey": key or house.made.keys["accountKey"],
        "X-SendPost-Public-Contract": contract,
    }
    if private:
        named["X-SendPost-Private-Api"] = "true"
    return await house.http.get(path, headers=named)


async def test_a_message_is_looked_up(house: House) -> None:
    """As its recipient gets it, with links that are still the sender's."""
    message = await house.sent(**MAIL)
    answer = await ask(house, f"{MESSAGES}/{message}")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert set(told) == V1_KEYS
    assert (told["messageId"], told["subject"]) == (message, "Order <4711>")
    assert told["htmlBody"] == (
        "<p>&lt;4711&gt; <a href='https://x.example/'>x</a></p>"
    )
    assert told["textBody"] == "<4711>"
    assert told["to"]["email"] == "bob@rcpt.example"
    assert told["headerCc"] == [{"email": "cc@rcpt.example", "name": ""}]
    assert told["headerBcc"] == [{"email": "bcc@rcpt.example", "name": ""}]
    assert told["replyTo"] == {"email": "reply@shop.example", "name": "Us"}
    assert told["attachments"] == [{"filename": "a.txt", "content": ""}]
    assert (told["groups"], told["headers"]) == (["vip"], {"X-Shop": "1"})


async def test_old_clients_get_their_own_keys_only(house: House) -> None:
    """Spec appendix B: the Java client refuses anything else."""
    message = await house.sent(**MAIL)
    told = (await ask(house, f"{MESSAGES}/{message}", contract="legacy")).json()
    assert set(told) == LEGACY_KEYS
    assert (told["attachments"], told["headerCc"]) == (["a.txt"], ["cc@rcpt.example"])
    assert told["customFields"] == {"order": "<4711>"}
    assert set(told["to"]) == {"email", "name", "cc", "bcc", "customFields"}


async def test_the_dashboard_sees_the_events_too(house: House) -> None:
    """Under its own header only: the vendor's model has no such field."""
    message = await house.sent()
    told = (await ask(house, f"{MESSAGES}/{message}", private=True)).json()
    assert [one["typeName"] for one in told["events"]] == ["sent", "processed"]


async def test_messages_are_listed_newest_first(house: House) -> None:
    """By pages, without bodies; the span is needed."""
    sent = [await house.sent(headers={"X-Shop": "1"}) for _ in range(3)]
    query = f"{MESSAGES}?from=2023-11-01&to=2023-12-20"
    assert (await ask(house, query)).json() == []
    query = await whole_span(house, sent[0])
    listed = (await ask(house, f"{MESSAGES}?{query}")).json()
    assert [one["messageId"] for one in listed] == sent[::-1]
    assert {one["htmlBody"] for one in listed} == {""}
    assert [one["headers"] for one in listed] == [{"X-Shop": "1"}] * 3
    page = (await ask(house, f"{MESSAGES}/?{query}&limit=1&offset=1")).json()
    assert [one["messageId"] for one in page] == [sent[1]]
    assert error(await ask(house, MESSAGES), 400)[0] == "from"


async def whole_span(house: House, message: str) -> str:
    """The days around a mail, as a client writes them."""
    told = (await ask(house, f"{MESSAGES}/{message}")).json()
    day = datetime.fromtimestamp(told["submittedAt"] / 1e9, tz=UTC)
    first, last = day - timedelta(days=1), day + timedelta(days=1)
    return f"from={first:%Y-%m-%dT%H:%M:%S.%f}%2B0000&to={last:%Y-%m-%dT%H:%M:%S.%f}"


async def test_events_are_listed_as_webhooks_tell_them(house: House) -> None:
    """The youngest first, in both spellings, by every filter."""
    first = await house.sent(to=[{"email": "ann@rcpt.example"}])
    await house.sent()
    span = await whole_span(house, first)

    async def told(rest: str = "") -> list[tuple[str, str]]:
        answer = await ask(house, f"{EVENTS}?{span}{rest}")
        assert answer.status_code == 200, answer.text
        return [(one["typeName"], one["to"]) for one in answer.json()]

    ann, bob = "ann@rcpt.example", "bob@rcpt.example"
    everything = [("sent", bob), ("processed", bob), ("sent", ann), ("processed", ann)]
    assert await told() == everything
    assert await told("&type=59") == [("sent", bob), ("sent", ann)]
    assert await told("&type=processed&limit=1&offset=1") == [("processed", ann)]
    assert await told(f"&messageId={first}") == everything[2:]
    assert await told("&email=ANN@rcpt.example") == everything[2:]
    assert await told(f"&subAccountId={house.sub_account}") == everything
    assert await told("&subAccountId=99") == []
    assert len(await told("&tpspId=1")) == 2
    assert await told("&tpspId=99") == []
    (one, *_) = (await ask(house, f"{EVENTS}?{span}&type=59")).json()
    assert one["eventId"] == one["eventID"]
    assert (one["type"], one["smtpCode"]) == (59, 250)


async def test_the_two_kinds_of_drop_are_told_apart(house: House) -> None:
    """Spec 9.2: before a server was asked, and after."""
    span = await whole_span(house, await house.sent())
    (first,) = await house.store.read(list_events, EVERYTHING, limit=1)

    def drop(tx: Tx) -> None:
        data: dict[str, Scalar] = {"reason": "no"}
        for more in ({}, {"stage": "rcpt"}):
            kind = EventType.DROPPED
            tx.emit(NewEvent(kind, first.at_ns, first.about, data | more))

    await house.store.write(drop)
    for wish, names in (
        ("dropped", ["dropped"]),
        ("smtpDropped", ["smtpDropped"]),
        ("sent,smtpDropped", ["sent", "smtpDropped"]),
        ("dropped,smtpDropped", ["dropped", "smtpDropped"]),
        ("62", ["dropped", "smtpDropped"]),
    ):
        found = (await ask(house, f"{EVENTS}?{span}&type={wish}")).json()
        assert sorted(one["typeName"] for one in found) == sorted(names), wish


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"from=2024-01-01",
        b"from=x&to=2024-01-01",
        b"from=2024-01-02&to=2024-01-01T00:00:00",
        b"from=2024-01-01&to=2024-06-01",
        b"from=2024-01-01&to=2024-01-02&limit=0",
        b"from=2024-01-01&to=2024-01-02&limit=1001",
    ],
)
def test_a_wrong_span_or_page_is_400(query: bytes) -> None:
    """With or without clients that check it."""
    for parse in (parse_events, parse_messages):
        assert isinstance(parse(query), Problem), parse


@pytest.mark.parametrize(
    "rest", ["type=61", "type=x", "messageId=x", "subAccountId=-1", "tpspId=x"]
)
def test_a_wrong_filter_of_events_is_400(rest: str) -> None:
    """A typo is never taken for no filter."""
    query = f"from=2024-01-01&to=2024-01-02&{rest}"
    assert isinstance(parse_events(query.encode()), Problem)


def test_a_plus_that_became_a_blank_is_a_zone() -> None:
    """Clients of which one does not encode its query."""
    query = b"from=2024-01-01T00:00:00+0000&to=2024-01-02T00:00:00.5+00:00"
    assert not isinstance(parse_messages(query), Problem)


async def test_another_accounts_key_finds_nothing(tmp_path: Path) -> None:
    """ATTACKS 12: what is not the account's is as unknown as what is not there."""

    def prepare(tx: Tx, ours: SubAccount) -> None:
        del ours
        add_key(tx, add_tenant(tx, "other"), "stranger", whole_account=True)

    async with open_house(tmp_path, prepare=prepare) as house:
        message = await house.sent()
        span = await whole_span(house, message)
        for path in (f"{MESSAGES}/{message}", f"{MESSAGES}/{UUID(int=7)}"):
            answer = await ask(house, path, key="stranger")
            assert answer.status_code == 404
        assert (await ask(house, f"{MESSAGES}/nosuch")).status_code == 404
        for path in (MESSAGES, EVENTS):
            answer = await ask(house, f"{path}?{span}", key="stranger")
            assert (answer.status_code, answer.json()) == (200, [])
        answer = await ask(house, f"{EVENTS}?{span}", key=house.key)
        assert answer.status_code == 401
