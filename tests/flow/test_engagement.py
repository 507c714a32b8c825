from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from appliance.core.address import Address
from appliance.core.event import EventFilter, EventType
from appliance.core.ids import uuid7
from appliance.core.message import Request
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.engagement import MAX_AGENT, EngagementDesk, Visitor
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
            "ip": "192.0.2.1",
            "userAgent": "Browser/1",
            "url": "https://a.test/",
            "link": 2,
            "first": True,
        },
    )
    assert "first" not in second[1]


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


async def test_what_a_visitor_says_is_cut(desk: Desk) -> None:
    """ATTACKS 18: an endless user agent fills no disk."""
    visitor = Visitor("x" * 500, "y" * 5_000)
    await desk.desk.record(Token(TokenKind.OPEN, desk.delivery), visitor)
    ((_, data),) = await desk.facts()
    assert len(str(data["userAgent"])) == MAX_AGENT
    assert len(str(data["ip"])) == 45


async def test_only_our_own_tokens_are_read(desk: Desk) -> None:
    """ATTACKS 16: another secret, another kind, or junk says nothing."""
    token = Token(TokenKind.OPEN, desk.delivery)
    text = TOKENS.seal(token)
    assert desk.desk.read(TokenKind.OPEN, text) == token
    assert desk.desk.read(TokenKind.CLICK, text) is None
    assert desk.desk.read(TokenKind.OPEN, TokenMaker(b"u" * 32).seal(token)) is None
