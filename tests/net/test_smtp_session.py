"""The pump, and the deadlines and the memory of one session around it."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from appliance.net.smtp_session import (
    Memory,
    Patience,
    SmtpSession,
    converse,
)
from appliance.smtp.reply import EnhancedCode, Reply
from appliance.smtp.server import SmtpServer
from appliance.smtp.server_events import (
    ContentAsked,
    ContentReceived,
    Event,
    Login,
)
from tests.fakes.smtp_doors import MANNERS

TO_CONTENT = (
    b"EHLO c.test\r\nAUTH PLAIN AHUAcA==\r\n"
    b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
)
PATIENCE = Patience(idle=300, session=7200, login=120, send=60, handshake=30)
OK = Reply(250, ("Ok",), EnhancedCode(2, 0, 0))


class FakeWire:
    """A connection in memory; the test is at its other end."""

    def __init__(self) -> None:
        self.said = b""
        self.covered = 0
        self.closed = False
        self.stuck = trio.Event()  # what is sent waits for it
        self.stuck.set()
        self.shakes = trio.Event()  # the handshake waits for it
        self.shakes.set()
        self._send, self._receive = trio.open_memory_channel[bytes](100)

    def feed(self, data: bytes) -> None:
        """The peer has sent this; b"": it has closed."""
        self._send.send_nowait(data)

    async def receive(self) -> bytes:
        """What was fed next."""
        return await self._receive.receive()

    async def send(self, data: bytes) -> None:
        """Keep what our side says."""
        await self.stuck.wait()
        self.said += data

    async def start_tls(self) -> bool:
        """Agree."""
        await self.shakes.wait()
        self.covered += 1
        return True

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True

    @property
    def last(self) -> bytes:
        """The last line that was said."""
        return self.said.splitlines()[-1]


async def agree(event: Event) -> Reply:
    """The answer of a desk that has nothing against anything."""
    match event:
        case Login():
            return Reply(235, ("Welcome",), EnhancedCode(2, 7, 0))
        case ContentAsked():
            return Reply(354, ("Go ahead",))
        case _:
            return OK


class Talk:
    """A session and what a test needs to meddle with it."""

    def __init__(self, *, encrypted: bool, memory: Memory, open_: bool = False) -> None:
        self.wire = FakeWire()
        self.memory = memory
        manners = replace(MANNERS, starttls=not encrypted, open=open_)
        self.server = SmtpServer(manners, encrypted=encrypted)
        self.session = SmtpSession(self.wire, self.server, PATIENCE, memory)

    async def settles(self) -> None:
        """Returns when the session waits."""
        for _ in range(20):
            await trio.lowlevel.checkpoint()

    async def feed(self, data: bytes) -> bytes:
        """What is said to this."""
        before = len(self.wire.said)
        self.wire.feed(data)
        await self.settles()
        return self.wire.said[before:]

    async def watch(self) -> None:
        """Look after it, as the listener does."""
        while True:
            await trio.sleep(1)
            self.session.look(trio.current_time())


@asynccontextmanager
async def talking(
    decide: Callable[[Event], Awaitable[Reply]] = agree,
    *,
    encrypted: bool = True,
    tls_first: bool = False,
    memory: Memory | None = None,
    open_: bool = False,
) -> AsyncIterator[Talk]:
    """A session for the time of the block, by the end of which it must have ended."""
    memory = memory or Memory(1 << 30)
    talk = Talk(encrypted=encrypted, memory=memory, open_=open_)
    async with trio.open_nursery() as around:
        around.start_soon(talk.watch)
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                await talk.session.run(decide, tls_first=tls_first)

            nursery.start_soon(run)
            await talk.settles()
            yield talk
        around.cancel_scope.cancel()
    assert talk.wire.closed
    assert talk.memory.used_bytes == 0


# --- the pump -------------------------------------------------------------------


async def test_a_dialogue_from_the_greeting_to_the_goodbye() -> None:
    """Commands that come together are answered together; a mail is handed on."""
    events: list[Event] = []

    async def note(event: Event) -> Reply:
        events.append(event)
        return await agree(event)

    wire = FakeWire()
    server = SmtpServer(replace(MANNERS, starttls=False), encrypted=True)
    wire.feed(TO_CONTENT)
    wire.feed(b"Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n")
    await converse(wire, server, note)
    assert [type(one).__name__ for one in events] == [
        "Login",
        "MailGiven",
        "RcptGiven",
        "ContentAsked",
        "ContentReceived",
    ]
    assert events[-1] == ContentReceived(b"Subject: x\r\n\r\nhi\r\n")
    codes = [line[:3] for line in wire.said.splitlines() if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"235", b"250", b"250", b"354", b"250", b"221"]
    assert not wire.closed


async def test_what_comes_in_clear_behind_starttls_is_lost() -> None:
    """ATTACKS 2: it is neither answered nor remembered under TLS."""
    wire = FakeWire()
    server = SmtpServer(MANNERS)
    wire.feed(b"EHLO c.test\r\nSTARTTLS\r\nEHLO evil.test\r\nNOOP\r\n")
    wire.feed(b"MAIL FROM:<a@b.test>\r\nQUIT\r\n")
    await converse(wire, server, agree)
    assert wire.covered == 1
    after = wire.said.partition(b"220 2.0.0 ")[2].splitlines()[1:]
    assert [line[:3] for line in after] == [b"503", b"221"]


async def test_no_tls_no_session() -> None:
    """A handshake that fails ends it without another word."""

    class Clumsy(FakeWire):
        async def start_tls(self) -> bool:
            return False

    wire = Clumsy()
    wire.feed(b"EHLO c.test\r\nSTARTTLS\r\n")
    await converse(wire, SmtpServer(MANNERS), agree)
    assert wire.last.startswith(b"220 ")


async def test_a_peer_that_closes_ends_it() -> None:
    """In the middle of a mail, too: nothing of it is taken."""
    seen: list[str] = []

    async def note(event: Event) -> Reply:
        seen.append(type(event).__name__)
        return await agree(event)

    async with talking(note) as talk:
        talk.wire.feed(TO_CONTENT)
        talk.wire.feed(b"half a mai")
        talk.wire.feed(b"")
    assert "ContentAsked" in seen
    assert "ContentReceived" not in seen


async def test_tls_from_the_start_comes_before_the_greeting() -> None:
    """RFC 8314: not a byte in clear."""
    async with talking(tls_first=True) as talk:
        assert talk.wire.covered == 1
        assert talk.wire.said.startswith(b"220 ")
        talk.wire.feed(b"QUIT\r\n")


async def test_a_bug_ends_the_session_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The peer is told that it was us, and to come again."""

    async def fail(_event: Event) -> Reply:
        raise RuntimeError("a bug")

    async with talking(fail) as talk:
        talk.wire.feed(TO_CONTENT)
    assert talk.wire.last.startswith(b"451 4.3.0 ")
    (line,) = caplog.records
    assert (line.message, line.levelno) == ("smtp.session_failed", logging.ERROR)


# --- deadlines ------------------------------------------------------------------


async def log_in(talk: Talk) -> None:
    """Up to a good login."""
    said = await talk.feed(b"EHLO c.test\r\nAUTH PLAIN AHUAcA==\r\n")
    assert b"\r\n235 " in said


async def test_who_does_not_log_in_goes(autojump_clock: MockClock) -> None:
    """ATTACKS 4: whatever else it says, a place is not for nothing."""
    async with talking() as talk:
        while not talk.server.is_closed:
            await trio.sleep(10)
            talk.wire.feed(b"NOOP\r\n")
    assert talk.wire.last.startswith(b"421 4.4.2 ")
    assert 120 <= autojump_clock.current_time() <= 140


async def test_who_brings_mail_that_is_taken_needs_no_login(
    autojump_clock: MockClock,
) -> None:
    """A server that has much to bring back is not cut off as an idler."""
    async with talking(open_=True) as talk:
        await talk.feed(b"EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.test>\r\n")
        for _ in range(20):
            await trio.sleep(10)
            talk.wire.feed(b"NOOP\r\n")
        await talk.feed(b"QUIT\r\n")
    assert talk.wire.last.startswith(b"221 ")
    assert autojump_clock.current_time() >= 200


async def test_an_idle_session_goes(autojump_clock: MockClock) -> None:
    """RFC 5321 4.5.3.2.7: after five minutes, and is told so."""
    async with talking() as talk:
        await log_in(talk)
    assert talk.wire.last.startswith(b"421 4.4.2 ")
    assert 300 <= autojump_clock.current_time() <= 301


@pytest.mark.parametrize("begun", [False, True])
async def test_a_byte_a_minute_is_no_sign_of_life(
    autojump_clock: MockClock, *, begun: bool
) -> None:
    """ATTACKS 4: neither in a command nor in a mail."""
    async with talking() as talk:
        await log_in(talk)
        if begun:
            await talk.feed(TO_CONTENT.partition(b"==\r\n")[2])
        while not talk.server.is_closed:
            talk.wire.feed(b"N")
            await trio.sleep(60)
    assert talk.wire.last.startswith(b"421 4.4.2 ")
    assert 300 <= autojump_clock.current_time() <= 361


async def test_a_slow_mail_is_let_come(autojump_clock: MockClock) -> None:
    """Some 4 KiB in each five minutes are a bad line, and no attack."""
    async with talking() as talk:
        await log_in(talk)
        await talk.feed(TO_CONTENT.partition(b"==\r\n")[2])
        for _ in range(20):
            talk.wire.feed(b"x" * 1022 + b"\r\n")
            await trio.sleep(70)
        assert await talk.feed(b".\r\n") == OK.encode()
        assert autojump_clock.current_time() >= 1400
        talk.wire.feed(b"QUIT\r\n")
    assert talk.wire.last.startswith(b"221 ")


async def test_no_session_lasts_for_ever(autojump_clock: MockClock) -> None:
    """ATTACKS 4: in all two hours, however lively."""
    async with talking() as talk:
        await log_in(talk)
        while not talk.server.is_closed:
            await trio.sleep(30)
            talk.wire.feed(b"NOOP\r\n")
    assert talk.wire.last.startswith(b"421 4.4.2 ")
    assert 7200 <= autojump_clock.current_time() <= 7231


async def test_half_a_handshake_goes(autojump_clock: MockClock) -> None:
    """ATTACKS 4: after half a minute, without words, for there are none."""
    async with talking(tls_first=True, encrypted=True) as talk:
        pass
    assert talk.wire.covered == 1  # this one was quick
    started = autojump_clock.current_time()
    talk = Talk(encrypted=True, memory=Memory(1))
    talk.wire.shakes = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.watch)
        await talk.session.run(agree, tls_first=True)
        nursery.cancel_scope.cancel()
    assert talk.wire.said == b""
    assert talk.wire.closed
    assert 30 <= autojump_clock.current_time() - started <= 31


async def test_who_does_not_read_goes(autojump_clock: MockClock) -> None:
    """ATTACKS 4: after a minute, and nothing more is said into the deaf ear."""
    async with talking() as talk:
        await log_in(talk)
        talk.wire.stuck = trio.Event()
        before = talk.wire.said
        talk.wire.feed(b"NOOP\r\n")
    assert talk.wire.said == before
    assert 60 <= autojump_clock.current_time() <= 61


async def test_each_piece_of_an_answer_has_its_time(
    autojump_clock: MockClock,
) -> None:
    """A slow reader of much is no deaf one."""

    class Slow(FakeWire):
        async def send(self, data: bytes) -> None:
            assert len(data) <= 64 * 1024
            await trio.sleep(50)
            self.said += data

    wire = Slow()
    session = SmtpSession(
        wire, SmtpServer(MANNERS, encrypted=True), PATIENCE, Memory(1)
    )
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while True:
                await trio.sleep(1)
                session.look(trio.current_time())

        nursery.start_soon(watch)
        await session.send(b"x" * 200_000)
        nursery.cancel_scope.cancel()
    assert len(wire.said) == 200_000
    assert autojump_clock.current_time() >= 200


async def test_our_own_slowness_costs_the_peer_nothing(
    autojump_clock: MockClock,
) -> None:
    """A commit is never cut short, how ever long the disk takes."""

    async def slow(event: Event) -> Reply:
        if isinstance(event, ContentReceived):
            await trio.sleep(9000)
        return await agree(event)

    async with talking(slow) as talk:
        talk.wire.feed(TO_CONTENT)
        talk.wire.feed(b"hi\r\n.\r\n")
        await trio.sleep(8000)
        talk.session.drain()
        talk.session.stop()
    codes = [line[:3] for line in talk.wire.said.splitlines()[-2:]]
    assert codes == [b"250", b"421"]
    assert autojump_clock.current_time() == 9000


# --- stopping -------------------------------------------------------------------


async def test_an_idle_session_is_told_to_come_again(
    autojump_clock: MockClock,
) -> None:
    """And ends at once."""
    async with talking() as talk:
        await log_in(talk)
        talk.session.drain()
    assert talk.wire.last.startswith(b"421 4.3.2 ")
    assert autojump_clock.current_time() == 0


async def test_a_mail_under_way_is_taken(autojump_clock: MockClock) -> None:
    """And no other one behind it."""
    async with talking() as talk:
        await talk.feed(TO_CONTENT)
        talk.session.drain()
        said = await talk.feed(b"hi\r\n.\r\nMAIL FROM:<a@b.test>\r\n")
        assert said.startswith(OK.encode())
        said = await talk.feed(b"RSET\r\n")
        assert [line[:3] for line in said.splitlines()] == [b"250", b"421"]
    assert talk.wire.last.startswith(b"421 4.3.2 ")
    assert autojump_clock.current_time() == 0


async def test_a_mail_that_takes_too_long_is_cut(autojump_clock: MockClock) -> None:
    """The peer is told, and nothing of the mail is taken."""
    async with talking() as talk:
        await talk.feed(TO_CONTENT)
        talk.session.drain()
        await talk.feed(b"half a mai")
        assert not talk.server.is_closed
        talk.session.stop()
    assert talk.wire.last.startswith(b"421 4.3.2 ")
    assert autojump_clock.current_time() == 0


async def test_a_session_that_has_not_begun_is_stopped_too() -> None:
    """Between the accepting and its first turn."""
    talk = Talk(encrypted=True, memory=Memory(1))
    talk.session.drain()
    await talk.session.run(agree)
    assert talk.wire.last.startswith(b"421 4.3.2 ")


async def test_the_end_and_bytes_at_once() -> None:
    """Whatever came with it is not begun with: the 421 is the answer to it."""
    events: list[Event] = []

    async def note(event: Event) -> Reply:
        events.append(event)
        return await agree(event)

    async with talking(note) as talk:
        talk.wire.feed(b"EHLO c.test\r\nAUTH PLAIN AHUAcA==\r\n")
        talk.session.drain()
    assert events == []
    assert talk.wire.last.startswith(b"421 4.3.2 ")


# --- memory ---------------------------------------------------------------------


async def test_too_much_at_a_time_is_refused_and_dropped() -> None:
    """ATTACKS 4: 452 at the end of what is too much, and the session goes on."""
    memory = Memory(100_000)
    line = b"x" * 998 + b"\r\n"
    async with talking(memory=memory) as one, talking(memory=memory) as two:
        for talk in (one, two):
            await talk.feed(TO_CONTENT)
            for _ in range(6):
                await talk.feed(line * 10)
        assert memory.used_bytes <= 100_000
        assert (await one.feed(b".\r\n")).startswith(b"250 ")
        assert (await two.feed(b".\r\n")).startswith(b"452 4.3.1 ")
        assert memory.used_bytes == 0
        await two.feed(TO_CONTENT.partition(b"==\r\n")[2])
        await two.feed(line * 60)
        assert (await two.feed(b".\r\n")).startswith(b"250 ")
        for talk in (one, two):
            talk.wire.feed(b"QUIT\r\n")


async def test_what_the_desk_holds_is_counted() -> None:
    """Until its answer is out: that is where the memory is."""
    held, memory = trio.Event(), Memory(1 << 20)

    async def slow(event: Event) -> Reply:
        if isinstance(event, ContentReceived):
            await held.wait()
        return await agree(event)

    async with talking(slow, memory=memory) as talk:
        await talk.feed(TO_CONTENT)
        for _ in range(5):
            await talk.feed(b"x" * 998 + b"\r\n")
        talk.wire.feed(b".\r\n")
        await talk.settles()
        assert memory.used_bytes == 5000
        held.set()
        await talk.settles()
        assert memory.used_bytes == 0
        talk.wire.feed(b"QUIT\r\n")
