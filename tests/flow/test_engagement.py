from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
import trio

from appliance.core.address import Address
from appliance.core.event import Event, EventFilter, EventType
from appliance.core.ids import uuid7
from appliance.core.message import Request
from appliance.core.submission import Dimensions
from appliance.core.suppression import Mail
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.core.visitor import Keep, Visitor
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.engagement import MAX_AGENT, EngagementDesk, Parting
from appliance.store.database import Store
from appliance.store.events import list_events
from appliance.store.messages import accept
from tests.fakes.store import NOW_NS, Seeded, open_temp_store, seed

TOKENS = TokenMaker(b"t" * 32)
BROWSER = Visitor("192.0.2.1", "Browser/1")


@dataclass
class Desk:
    """An engagement desk over a store with one mail in it."""

    store: Store
    seeded: Seeded
    directory: DirectoryKeeper
    desk: EngagementDesk
    delivery: UUID

    async def facts(self) -> list[tuple[EventType, dict[str, object]]]:
        """What became known behind the acceptance."""
        events = await self.store.read(list_events, EventFilter(), limit=99)
        return [(one.type, dict(one.data)) for one in events[1:]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """One accepted mail."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        message = seeded.message()
        await store.write_each(accept, Request((message,)))
        directory = await DirectoryKeeper.load(store)
        made = EngagementDesk(store, directory, TOKENS, lambda: NOW_NS)
        yield Desk(store, seeded, directory, made, message.deliveries[0].uuid)


async def test_a_click_is_recorded_with_its_target(desk: Desk) -> None:
    """The first one is told apart."""
    token = Token(TokenKind.CLICK, desk.delivery, 2, "https://a.test/")
    assert await desk.desk.record(token, BROWSER)
    assert await desk.desk.record(token, BROWSER)
    first, second = await desk.facts()
    assert first == (
        EventType.CLICKED,
        {
            "ip": "192.0.2.0",
            "userAgent": "Browser/1",
            "url": "https://a.test/",
            "link": 2,
            "verdict": "human",
            "verdictReason": "no sign of a machine",
            "first": True,
            "firstHuman": True,
        },
    )
    assert "first" not in second[1]
    assert "firstHuman" not in second[1]


async def test_what_the_user_agent_says_is_told(desk: Desk) -> None:
    """The documented fields, and whose program it is."""
    agent = (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
        " (KHTML, like Gecko) Version/17.4 Safari/605.1.15"
    )
    await desk.desk.record(Token(TokenKind.OPEN, desk.delivery), Visitor("", agent))
    ((_, data),) = await desk.facts()
    assert data == {
        "userAgent": agent,
        "agentFamily": "Safari",
        "agentVersion": "17.4",
        "osFamily": "Mac OS X",
        "osVersion": "10.15.7",
        "deviceFamily": "Mac",
        "verdict": "human",
        "verdictReason": "no sign of a machine",
        "first": True,
        "firstHuman": True,
    }


async def test_a_machine_s_hit_counts_as_one(desk: Desk) -> None:
    """The first of all is not the first of a person, and both are told."""
    token = Token(TokenKind.OPEN, desk.delivery)
    for agent in ("curl/8", "Browser/1", "Browser/1"):
        await desk.desk.record(token, Visitor("192.0.2.1", agent))
    told = [
        (data["verdict"], data.get("first", False), data.get("firstHuman", False))
        for _, data in await desk.facts()
    ]
    assert told == [
        ("scanner", True, False),
        ("human", False, True),
        ("human", False, False),
    ]


async def test_all_links_at_once_are_a_scanner_s(desk: Desk) -> None:
    """From the third on; an unsubscribe is never judged."""
    for link in range(4):
        token = Token(TokenKind.CLICK, desk.delivery, link, "https://a.test/")
        await desk.desk.record(token, BROWSER)
    await desk.desk.record(Token(TokenKind.UNSUBSCRIBE, desk.delivery), BROWSER)
    *clicks, (_, left) = await desk.facts()
    told = [data["verdict"] for _, data in clicks]
    assert told == ["human", "human", "scanner", "scanner"]
    assert "verdict" not in left


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(Keep.WHOLE, "192.0.2.1"), (Keep.PART, "192.0.2.0"), (Keep.NOTHING, None)],
)
async def test_of_an_address_is_kept_what_the_operator_wishes(
    desk: Desk, keep: Keep, kept: str | None
) -> None:
    """It is judged whole before, and nothing else of it is stored."""
    made = EngagementDesk(desk.store, desk.directory, TOKENS, lambda: NOW_NS, keep=keep)
    await made.record(Token(TokenKind.OPEN, desk.delivery), BROWSER)
    ((_, data),) = await desk.facts()
    assert data.get("ip") == kept


async def test_a_flood_of_hits_costs_no_sync_each(desk: Desk) -> None:
    """ATTACKS 18: 500 hits at once share a few commits, and each is counted."""
    commits: list[tuple[Event, ...]] = []
    desk.store.on_commit(commits.append)
    token = Token(TokenKind.OPEN, desk.delivery)
    async with trio.open_nursery() as nursery:
        for _ in range(500):
            nursery.start_soon(desk.desk.record, token, BROWSER)
    assert sum(map(len, commits)) == 500
    assert len(commits) <= 10


async def test_an_unsubscribe_works_at_once_and_is_recorded_once(desk: Desk) -> None:
    """The next mail to this recipient is refused without any waiting."""
    token = Token(TokenKind.UNSUBSCRIBE, desk.delivery)
    assert await desk.desk.record(token, BROWSER)
    assert await desk.desk.record(token, BROWSER)
    assert [kind for kind, _ in await desk.facts()] == [EventType.UNSUBSCRIBED]
    recipient = desk.seeded.message().submission.to[0].mailbox.address
    assert desk.directory.is_suppressed(desk.seeded.sub_account.id, recipient)


async def test_a_genuine_token_for_an_unknown_delivery_records_nothing(
    desk: Desk,
) -> None:
    """Deliveries are pruned; there is nothing left to record an open for."""
    assert not await desk.desk.record(Token(TokenKind.OPEN, uuid7()), BROWSER)
    assert await desk.facts() == []


async def test_an_unsubscribe_outlives_its_delivery(desk: Desk) -> None:
    """The token says whom it is for; without that it is good for nothing."""
    bare = Token(TokenKind.UNSUBSCRIBE, uuid7())
    assert not await desk.desk.record(bare, BROWSER)
    token = Token(TokenKind.UNSUBSCRIBE, uuid7(), target="1:ann@rcpt.test")
    assert await desk.desk.record(token, BROWSER)
    sub_account = desk.seeded.sub_account.id
    assert desk.directory.is_suppressed(sub_account, Address("ann", "rcpt.test"))


async def test_a_topic_is_left_and_the_other_mail_stays(desk: Desk) -> None:
    """ATTACKS 17: the token's own recipient and topic; also when all is forgotten."""
    ann, bob = Address("ann", "rcpt.test"), Address("bob", "rcpt.test")
    seeded, owner = desk.seeded, desk.seeded.sub_account.id
    message = seeded.message(str(bob))
    news = replace(message.submission, dimensions=Dimensions(topic="news"))
    message = replace(message, submission=news)
    await desk.store.write_each(accept, Request((message,)))
    known = Token(TokenKind.UNSUBSCRIBE, message.deliveries[0].uuid)
    gone = Token(TokenKind.UNSUBSCRIBE, uuid7(), target="1:ann@rcpt.test\nnews")
    for token, left in ((known, bob), (gone, ann)):
        assert await desk.desk.record(token, BROWSER)
        now, told = NOW_NS, desk.directory.suppression
        assert told(owner, left, now, Mail("news"))
        assert told(owner, left, now, Mail("offers")) is None
        assert not desk.directory.is_suppressed(owner, left)
    assert await desk.desk.parting(known) == Parting(
        "bob@rcpt.test", "news", "news@sender.example"
    )
    assert await desk.desk.parting(gone) == Parting("ann@rcpt.test", "news")
    assert await desk.desk.parting(Token(TokenKind.UNSUBSCRIBE, uuid7())) is None


async def test_what_a_visitor_says_is_cut(desk: Desk) -> None:
    """ATTACKS 18: an endless user agent fills no disk."""
    visitor = Visitor("x" * 500, "Firefox/1" + "1." * 5_000)
    await desk.desk.record(Token(TokenKind.OPEN, desk.delivery), visitor)
    ((_, data),) = await desk.facts()
    assert len(str(data["userAgent"])) == MAX_AGENT
    assert "ip" not in data
    assert sum(len(str(value)) for value in data.values()) < 2 * MAX_AGENT


async def test_only_our_own_tokens_are_read(desk: Desk) -> None:
    """ATTACKS 16: another secret, another kind, or junk says nothing."""
    token = Token(TokenKind.OPEN, desk.delivery)
    text = TOKENS.seal(token)
    assert desk.desk.read(TokenKind.OPEN, text) == token
    assert desk.desk.read(TokenKind.CLICK, text) is None
    assert desk.desk.read(TokenKind.OPEN, TokenMaker(b"u" * 32).seal(token)) is None
