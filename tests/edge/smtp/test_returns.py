"""Port 25 for those who bring back what we sent, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
import trio

from appliance.core.credential import SubAccount
from appliance.core.event import EventType
from appliance.core.ids import uuid7
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.edge.assembly import TOKENS, derived
from appliance.store.suppressions import list_suppressions
from appliance.store.transaction import Tx
from tests.fakes.gone import send_out
from tests.fakes.house import House, mail, open_house
from tests.fakes.smtp_doors import Caller
from tests.flow.test_returns import report

HOST = "bounce.shop.example"
BOB = "bob@rcpt.example"
MX = "smtp.mx=127.0.0.1:0"
LEFT = uuid7()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A server that mail has left, with an open port 25."""

    def prepare(tx: Tx, ours: SubAccount) -> None:
        send_out(tx, ours, BOB, first=LEFT)

    async with open_house(tmp_path, MX, prepare=prepare) as one:
        yield one


@asynccontextmanager
async def calling(house: House) -> AsyncIterator[Caller]:
    """Another mail server, introduced."""
    host, _, port = house.addresses.mx[0].rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    caller = Caller(stream)
    try:
        assert (await caller.hears()).startswith("220 ")
        assert (await caller.says("EHLO mx.rcpt.example")).startswith("250-")
        yield caller
    finally:
        await trio.aclose_forcefully(stream)


async def brings(caller: Caller, data: bytes, *to: str) -> str:
    """The answer to a mail, or to the first recipient that is refused."""
    await caller.says("MAIL FROM:<>")
    for one in to:
        answer = await caller.says(f"RCPT TO:<{one}>")
        if not answer.startswith("250 "):
            return answer
    assert (await caller.says("DATA")).startswith("354 ")
    await caller.send(data + b".\r\n")
    return await caller.hears()


def path(house: House, delivery: UUID = LEFT) -> str:
    """The return path of a copy of ours."""
    return f"bounces+{delivery}+{house.sub_account}@{HOST}"


async def test_a_bounce_comes_back_and_the_next_mail_is_refused(house: House) -> None:
    """Spec 12.1: the whole way, in clear; the suppression is there with the 250."""
    async with calling(house) as caller:
        assert await brings(caller, report(BOB), path(house)) == "250 2.6.0 Noted"
    event = await house.heard(EventType.HARD_BOUNCED)
    assert (event.about.delivery, event.data["via"]) == (LEFT, "dsn")
    (result,) = (await house.send(mail())).json()
    assert result["errorCode"] == 2


async def test_under_tls_it_is_the_same(house: House) -> None:
    """STARTTLS is offered, and no login is asked for behind it either."""
    async with calling(house) as caller:
        assert (await caller.says("STARTTLS")).startswith("220 ")
        await caller.start_tls()
        await caller.says("EHLO mx.rcpt.example")
        answer = await brings(caller, report(BOB, status="5.2.2"), path(house))
        assert answer == "250 2.6.0 Noted"
    assert (await house.heard(EventType.SOFT_BOUNCED)).about.delivery == LEFT


async def test_a_forged_bounce_suppresses_nobody(house: House) -> None:
    """ATTACKS 24: unknown ids, another sub-account, the mail of somebody else."""
    async with calling(house) as caller:
        for forged in (
            path(house, uuid7()),
            f"bounces+{LEFT}+{house.sub_account + 1}@{HOST}",
            f"bounces+{LEFT}+{'9' * 18}@{HOST}",
        ):
            answer = await brings(caller, report(BOB), forged)
            assert answer.startswith("550 5.1.1 ")
        answer = await brings(caller, report("eve@rcpt.example"), path(house))
        assert answer == "250 2.6.0 Noted"
    assert await house.store.read(list_suppressions, house.sub_account, limit=9) == []


async def test_a_mailto_unsubscribe_is_heeded(house: House) -> None:
    """RFC 2369: the token of the address is all that counts."""
    tokens = TokenMaker(derived(house.folder.read_secret(), TOKENS))
    text = tokens.seal_local(Token(TokenKind.UNSUBSCRIBE, LEFT))
    async with calling(house) as caller:
        # The first letter: of the last one a bit stands for nothing.
        forged = ("a" if text[0] != "a" else "b") + text[1:]
        assert (await brings(caller, b"", f"unsub+{forged}@{HOST}"))[:4] == "550 "
        answer = await brings(caller, b"hi\r\n", f"UNSUB+{text.upper()}@{HOST}")
        assert answer == "250 2.6.0 Noted"
    await house.heard(EventType.UNSUBSCRIBED)
    (result,) = (await house.send(mail())).json()
    assert result["errorCode"] == 2


async def test_a_full_disk_loses_no_bounce(tmp_path: Path) -> None:
    """451: it comes again; what was answered with 250 is on disk, and no more."""
    people = [f"u{number}@rcpt.example" for number in range(30)]
    left: list[UUID] = []

    def prepare(tx: Tx, ours: SubAccount) -> None:
        left.extend(send_out(tx, ours, *people))

    async with open_house(tmp_path, MX, prepare=prepare) as house:
        await house.limit_pages(5)
        answers = []
        async with calling(house) as caller:
            for uuid, one in zip(left, people, strict=True):
                words = b"5.1.1\r\nDiagnostic-Code: smtp; 550 " + b"x" * 900
                bounce = report(one).replace(b"5.1.1", words)
                answers.append((await brings(caller, bounce, path(house, uuid)))[:3])
            assert "451" in answers
            assert set(answers) <= {"250", "451"}
            told = [
                one
                for one in await house.events()
                if one.type is EventType.HARD_BOUNCED
            ]
            assert len(told) == answers.count("250")
            await house.limit_pages(1_000_000)
            again = await brings(caller, report(people[-1]), path(house, left[-1]))
            assert again == "250 2.6.0 Noted"
