"""Mail that comes back, from the address to what is on disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from appliance.core.address import Address
from appliance.core.credential import SubAccount
from appliance.core.event import EVERYTHING, Event, EventType
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.suppression import Source, SuppressionReason
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.core.unsubscribe import write_leaver
from appliance.core.verp import return_path
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.engagement import EngagementDesk
from appliance.flow.reports import ReportDesk
from appliance.flow.return_places import Complaints, Places, Refused, WayOut
from appliance.flow.returns import SMALL_BYTES, ReturnDesk
from appliance.store.database import Store
from appliance.store.events import list_events
from appliance.store.returns import Gone, return_counts
from appliance.store.suppressions import list_suppressions
from tests.fakes.gone import send_out
from tests.fakes.house import add_sender_domain, add_tenant
from tests.fakes.store import NOW_NS, open_temp_store, seed

HOST = "bounce.sender.example"
LATER_NS = NOW_NS * 2
BOB = "bob@rcpt.example"
AL = Address("al", "rcpt.example")


@dataclass(frozen=True, slots=True)
class Desk:
    """A desk over a real store with a tenant of ours and another one."""

    returns: ReturnDesk
    store: Store
    tokens: TokenMaker
    owner: SubAccount
    other: SubAccount

    async def send(self, *to: str, by: SubAccount | None = None) -> list[UUID]:
        """The ids of the copies of a mail that left."""
        return await self.store.write(send_out, by or self.owner, *to)

    async def comes(self, data: bytes, *to: str | Address) -> None:
        """A mail that is taken for all of these addresses."""
        places = []
        for one in to:
            local, _, host = str(one).partition("@")
            place = await self.returns.place(Address(local, host or HOST))
            assert not isinstance(place, Refused)
            places.append(place)
        await self.returns.take(places, data)

    async def told(self) -> list[Event]:
        """What became known since mail was sent."""
        events = await self.store.read(list_events, EVERYTHING, limit=1000)
        quiet = {EventType.PROCESSED, EventType.SENT}
        return [one for one in events if one.type not in quiet]

    async def suppressed(self) -> dict[str, SuppressionReason]:
        """Who gets no mail any more."""
        found = await self.store.read(list_suppressions, self.owner.id, limit=99)
        return {one.address: one.reason for one in found}

    async def counts(self) -> dict[str, int]:
        """What was counted, from the disk."""
        await self.returns.run_once(LATER_NS)
        return await self.store.read(return_counts)

    def path(self, delivery: UUID, owner: SubAccountId | None = None) -> Address:
        """The return path of a copy."""
        return return_path(delivery, owner or self.owner.id, HOST)


@asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Desk]:
    """A desk for the time of the block."""
    async with open_temp_store(folder) as store:
        owner = (await seed(store)).sub_account
        other = await store.write(add_tenant, "other")
        await store.write(add_sender_domain, other.id, name="other.example")
        directory = await DirectoryKeeper.load(store)
        tokens = TokenMaker(bytes(32))
        reports = ReportDesk(store, directory, lambda: LATER_NS)
        engagement = EngagementDesk(store, directory, tokens, lambda: LATER_NS)
        returns = ReturnDesk(
            store, Places(store, directory, tokens), reports, engagement
        )
        yield Desk(returns, store, tokens, owner, other)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk."""
    async with open_desk(tmp_path) as one:
        yield one


def report(*people: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    """A report by the book about these recipients."""
    about = "".join(
        f"\r\nFinal-Recipient: rfc822; {one}\r\n"
        f"Action: {action}\r\nStatus: {status}\r\n"
        for one in people
    )
    return (
        "From: MAILER-DAEMON@mx.example\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
        "\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example\r\n{about}\r\n--b--\r\n"
    ).encode()


def complaint(*fields: str, original: str = "", kind: str = "abuse") -> bytes:
    """A feedback report with these further fields about this mail."""
    more = "".join(f"{one}\r\n" for one in fields)
    return (
        "From: fbl@isp.example\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n"
        "\r\n--b\r\nContent-Type: text/plain\r\n\r\nSpam!\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: isp/1\r\nVersion: 1\r\n{more}"
        f"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{original}"
        "Subject: Hello\r\n\r\nHi\r\n--b--\r\n"
    ).encode()


async def test_an_address_proves_itself_or_is_refused(desk: Desk) -> None:
    """ATTACKS 24: a return path that we did not write is none; each is counted."""
    (left,) = await desk.send(BOB)
    (theirs,) = await desk.send(BOB, by=desk.other)
    (waits,) = await desk.store.write(
        send_out, desk.owner, "al@rcpt.example", settled=False
    )
    known = await desk.returns.place(desk.path(left))
    assert known == Gone(left, desk.owner.id, Address("bob", "rcpt.example"))
    forged = [
        desk.path(uuid7()),
        desk.path(waits),
        desk.path(left, desk.other.id),
        desk.path(theirs),
        desk.path(theirs, desk.other.id),  # not at a host of theirs
        Address("unsub+" + "a" * 53, HOST),
    ]
    for one in forged:
        assert await desk.returns.place(one) is Refused.UNKNOWN, one
    strange = [
        Address("bob", "rcpt.example"),
        Address("postmaster", HOST),
        Address("complaints", "sender.example"),
        return_path(left, desk.owner.id, "far.example"),
    ]
    for one in strange:
        assert await desk.returns.place(one) is Refused.NOT_OURS, one
    assert await desk.returns.place(Address("Complaints", HOST)) == Complaints()
    assert await desk.counts() == {
        "refused: no return path of ours": len(forged),
        "refused: not for us": len(strange),
    }


def unsubscribe(delivery: UUID) -> Token:
    """The token of a way out."""
    return Token(TokenKind.UNSUBSCRIBE, delivery)


async def test_a_bounce_is_an_event_and_suppresses_its_recipient(desk: Desk) -> None:
    """With where it was learnt; memory knows it when the answer is given."""
    (left,) = await desk.send(BOB)
    await desk.comes(report(BOB), desk.path(left))
    (event,) = await desk.told()
    assert (event.type, event.about.delivery) == (EventType.HARD_BOUNCED, left)
    assert (event.data["via"], event.data["enhanced"]) == ("dsn", "5.1.1")
    assert await desk.suppressed() == {BOB: SuppressionReason.HARD_BOUNCE}


async def test_one_end_however_often_it_comes_back(desk: Desk) -> None:
    """ATTACKS 24: replays, and a mail that is for one return path twice."""
    (left,) = await desk.send(BOB)
    for _ in range(3):
        await desk.comes(report(BOB), desk.path(left), desk.path(left))
    await desk.comes(report(BOB, status="5.2.2"), desk.path(left))
    assert [one.type for one in await desk.told()] == [EventType.HARD_BOUNCED]


async def test_a_path_that_others_know_suppresses_nobody(desk: Desk) -> None:
    """ATTACKS 24: who got a copy knows the id of the first, and could bounce it."""
    first, second = await desk.send(BOB, "al@rcpt.example")
    await desk.comes(report(BOB), desk.path(first))
    await desk.comes(complaint(original=f"Return-Path: <{desk.path(first)}>\r\n"))
    assert EventType.HARD_BOUNCED in [one.type for one in await desk.told()]
    assert await desk.suppressed() == {}
    await desk.comes(report("al@rcpt.example"), desk.path(second))
    assert list(await desk.suppressed()) == ["al@rcpt.example"]


def returning(data: bytes, mail: str) -> bytes:
    """A report that brings the mail back."""
    part = f"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{mail}\r\nHi\r\n--b--"
    return data.replace(b"\r\n--b--", part.encode())


def way_out(desk: Desk, delivery: UUID, kind: TokenKind = TokenKind.UNSUBSCRIBE) -> str:
    """The field by which the reader of that copy unsubscribes."""
    token = Token(kind, delivery, target=write_leaver(desk.owner.id, AL, ""))
    link = f"https://sp-track.sender.example/u/{desk.tokens.seal(token)}"
    return f"Subject: x\r\nlist-unsubscribe:\r\n <{link}>, <mailto:u@{HOST}>\r\n"


@pytest.mark.parametrize("kind", ["bounce", "complaint"])
async def test_its_own_way_out_proves_a_path_that_others_know(
    desk: Desk, kind: str
) -> None:
    """Whoever has it could unsubscribe by it; nobody else's will do, nor a click's."""
    first, second = await desk.send(BOB, str(AL))

    def told(mail: str) -> bytes:
        return (
            returning(report(BOB), mail)
            if kind == "bounce"
            else complaint(original=mail)
        )

    forged = way_out(desk, first).replace("/u/", "/u/A")
    for mail in (
        way_out(desk, second),
        way_out(desk, first, TokenKind.OPEN),
        forged,
    ):
        await desk.comes(told(mail), desk.path(first))
        assert await desk.suppressed() == {}
    first, _ = await desk.send(BOB, str(AL))
    await desk.comes(told(way_out(desk, first)), desk.path(first))
    assert list(await desk.suppressed()) == [BOB]


async def test_another_one_s_bounce_is_recorded_with_its_name(desk: Desk) -> None:
    """ATTACKS 24: a report about somebody else suppresses nobody."""
    (left,) = await desk.send(BOB)
    await desk.comes(report("eve@far.example"), desk.path(left))
    (event,) = await desk.told()
    assert event.data["recipient"] == "eve@far.example"
    assert await desk.suppressed() == {}


async def test_several_return_paths_get_one_bounce_each(desk: Desk) -> None:
    """One transaction may be about several copies."""
    (bob,) = await desk.send(BOB)
    (joe,) = await desk.send("joe@rcpt.example")
    await desk.comes(report(BOB, "joe@rcpt.example"), desk.path(bob), desk.path(joe))
    assert [one.about.delivery for one in await desk.told()] == [bob, joe]
    assert set(await desk.suppressed()) == {BOB, "joe@rcpt.example"}


async def test_what_is_no_end_is_no_event(desk: Desk) -> None:
    """ATTACKS 8: delays, robots, bounces of bounces and noise end here, counted."""
    (left,) = await desk.send(BOB)
    robot = b"Auto-Submitted: auto-replied\r\nSubject: Out of office\r\n\r\nBye\r\n"
    for data in (
        report(BOB, action="delayed", status="4.4.1"),
        report(BOB, action="relayed", status="2.0.0"),
        robot,
        b"",
        b"From: a@b.example\r\nSubject: Hello\r\n\r\nI am a human\r\n",
        complaint("Feedback-Type: x", kind="not-spam"),
    ):
        await desk.comes(data, desk.path(left))
    assert await desk.told() == []
    assert await desk.suppressed() == {}
    counts = await desk.counts()
    assert counts["delays"] == 1
    assert counts["automatic replies"] == 1
    assert counts["reports without consequence"] == 2
    assert sum(counts.values()) == 6


async def test_a_delivery_report_is_a_delivery(desk: Desk) -> None:
    """Whoever asks for none gets some; a bounce may still follow."""
    (left,) = await desk.send(BOB)
    await desk.comes(report(BOB, action="delivered", status="2.0.0"), desk.path(left))
    await desk.comes(report(BOB), desk.path(left))
    assert [one.type for one in await desk.told()] == [
        EventType.DELIVERED,
        EventType.HARD_BOUNCED,
    ]


async def test_a_complaint_is_found_by_each_of_its_clues(desk: Desk) -> None:
    """Once for each copy, beside its end; no more mail for who calls it spam."""
    first, second, third = [
        (await desk.send(f"u{number}@rcpt.example"))[0] for number in range(3)
    ]
    path = f"Original-Mail-From: <{desk.path(first)}>"
    trace = f"X-Sendpost-Message-UUID: {second}\r\n"
    message = f"Message-ID: <{third}@sender.example>\r\n"
    for data in (
        complaint(path),
        complaint(original=trace),
        complaint(original=message),
        complaint(path, original=trace),
    ):
        await desk.comes(data, "complaints")
    await desk.comes(complaint(), desk.path(first))
    events = await desk.told()
    assert [one.about.delivery for one in events] == [first, second, third]
    assert {one.type for one in events} == {EventType.COMPLAINED}
    assert {one.data["via"] for one in events} == {"complaint"}
    assert set((await desk.suppressed()).values()) == {SuppressionReason.SPAM_COMPLAINT}
    entries = await desk.store.read(list_suppressions, desk.owner.id, limit=9)
    assert {one.source for one in entries} == {Source.COMPLAINT}


async def test_a_complaint_that_proves_nothing_is_forgotten(desk: Desk) -> None:
    """ATTACKS 24: unknown ids, none at all, and one that several copies share."""
    shared, _ = await desk.send(BOB, "joe@rcpt.example")
    await desk.comes(complaint(f"Original-Rcpt-To: <{BOB}>"), "complaints")
    nobody = f"X-Sendpost-Message-UUID: {uuid7()}\r\n"
    await desk.comes(complaint(original=nobody), "complaints")
    message = f"Message-ID: <{shared}@sender.example>\r\n"
    await desk.comes(complaint(original=message), "complaints")
    await desk.comes(report(BOB), "complaints")
    assert await desk.told() == []
    assert await desk.counts() == {
        "complaints that prove no mail of ours": 3,
        "reports without consequence": 1,
    }


async def test_a_mail_to_the_way_out_unsubscribes(desk: Desk) -> None:
    """Whatever it says and whoever writes it: the token is the proof."""
    (left,) = await desk.send(BOB)
    address = Address("unsub+" + desk.tokens.seal_local(unsubscribe(left)), HOST)
    assert await desk.returns.place(address) == WayOut(unsubscribe(left))
    for _ in range(2):
        await desk.comes(b"Subject: unsubscribe\r\n\r\n", address.local.upper())
    (event,) = await desk.told()
    assert (event.type, event.about.delivery) == (EventType.UNSUBSCRIBED, left)
    assert await desk.suppressed() == {BOB: SuppressionReason.UNSUBSCRIBE}


@pytest.mark.parametrize(
    ("subject", "heeded"),
    [
        ("unsubscribe {}", True),
        ("Re: unsubscribe\r\n {}", True),
        ("=?us-ascii?Q?unsubscribe_?=\r\n =?us-ascii?Q?{q}?=", True),
        ("unsubscribe", False),
        ("unsubscribe {}x", False),
        ("", False),
    ],
)
async def test_the_way_out_outlives_the_delivery(
    desk: Desk, subject: str, *, heeded: bool
) -> None:
    """What retention has forgotten, the subject of our mailto says."""
    target = write_leaver(desk.owner.id, Address("bob", "rcpt.example"))
    token = Token(TokenKind.UNSUBSCRIBE, uuid7(), target=target)
    local = f"unsub+{desk.tokens.seal_local(token)}"
    whole = desk.tokens.seal(token)
    line = subject.format(whole, q=whole.replace("_", "=5F"))  # RFC 2047 4.2
    await desk.comes(f"Subject: {line}\r\n\r\n".encode(), local)
    wanted = {BOB: SuppressionReason.UNSUBSCRIBE} if heeded else {}
    assert await desk.suppressed() == wanted
    kind = "unsubscribes" if heeded else "not understood"
    assert await desk.counts() == {kind: 1}


async def test_the_subject_lets_out_nobody_else(desk: Desk) -> None:
    """ATTACKS 17, 24: the address proves one delivery; another's token is no news."""
    theirs = Token(
        TokenKind.UNSUBSCRIBE,
        uuid7(),
        target=write_leaver(desk.owner.id, Address("bob", "rcpt.example")),
    )
    local = f"unsub+{desk.tokens.seal_local(unsubscribe(uuid7()))}"
    line = f"Subject: unsubscribe {desk.tokens.seal(theirs)}\r\n\r\n"
    await desk.comes(line.encode(), local)
    assert await desk.suppressed() == {}


async def test_a_large_mail_is_read_all_the_same(desk: Desk) -> None:
    """In a thread, so that nobody waits for it."""
    (left,) = await desk.send(BOB)
    padding = b"X-Pad: x\r\n" * (SMALL_BYTES // 400)
    data = padding + report(BOB).replace(
        b"--b--", b"--b\r\n\r\n" + b"x\r\n" * SMALL_BYTES
    )
    await desk.comes(data, desk.path(left))
    assert [one.type for one in await desk.told()] == [EventType.HARD_BOUNCED]


async def test_a_bomb_of_a_report_says_one_thing(desk: Desk) -> None:
    """ATTACKS 24: ten thousand recipients are one event about one copy."""
    (left,) = await desk.send(BOB)
    people = [f"u{number}@far.example" for number in range(10_000)]
    await desk.comes(report(*people), desk.path(left))
    assert [one.type for one in await desk.told()] == [EventType.HARD_BOUNCED]
    assert await desk.suppressed() == {}
