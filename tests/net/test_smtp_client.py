import contextlib
import socket
import warnings
from collections import deque
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from appliance.core.provider import Security
from appliance.net.plain_stream import dial
from appliance.net.smtp_client import NOT_NOTED, Permission, SmtpConnection
from appliance.net.smtp_connect import connect, introduce
from appliance.net.upstream import Timeouts, Upstream
from appliance.smtp.exchange import Transaction
from appliance.smtp.outcome import (
    Accepted,
    Broken,
    Fault,
    Outcome,
    Rejected,
    Stage,
    Untouched,
)
from appliance.smtp.reply import Reply
from tests.fakes.upstream import Close, Doing, Endless, FakeUpstream, Hold, Say, Script

UPSTREAM = Upstream("mx.test", 25, Security.NONE)
CONTENT = b"Subject: a\r\n\r\n.b\r\n..\r\n.\r\nc\r\n"
LOCK_STEP = ("8BITMIME", "SIZE 10485760")


def mail(tag: int, content: bytes = CONTENT) -> Transaction[int]:
    """A transaction with its number in the addresses."""
    return Transaction(tag, f"b+{tag}@s.test", (f"{tag}@r.test",), content)


class Permitted:
    """A dot that may leave, or may not, once it is told so."""

    def __init__(self, *, may: bool = True, at_once: bool = True) -> None:
        self.may = may
        self.told = trio.Event()
        if at_once:
            self.told.set()

    async def wait(self) -> bool:
        """Whether it may."""
        await self.told.wait()
        return self.may


class Mails:
    """A source of so many transactions; takes back what is handed back."""

    def __init__(self, *transactions: Transaction[int]) -> None:
        self.waiting = deque(transactions)
        self.outcomes: dict[int, list[Outcome]] = {}
        self.idle = trio.Event()
        self.stays = False
        self.asked: list[int] = []
        self.permission: Permission = Permitted()

    async def next(self) -> Transaction[int] | None:
        """The next, or the end; or no end."""
        if not self.waiting and self.stays:
            self.idle.set()
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return self.try_next()

    def try_next(self) -> Transaction[int] | None:
        """The next, if there is one."""
        return self.waiting.popleft() if self.waiting else None

    def may_end(self, transaction: Transaction[int]) -> Permission:
        """Note that it was asked for, and give what was set."""
        self.asked.append(transaction.tag)
        return self.permission

    def done(self, transaction: Transaction[int], outcome: Outcome) -> None:
        """Note it."""
        self.outcomes.setdefault(transaction.tag, []).append(outcome)

    @property
    def ends(self) -> list[Outcome]:
        """The outcomes by tag, each of which must be the only one."""
        assert all(len(outcomes) == 1 for outcomes in self.outcomes.values())
        return [self.outcomes[tag][0] for tag in sorted(self.outcomes)]


async def opened(
    fake: FakeUpstream, nursery: trio.Nursery, timeouts: Timeouts | None = None
) -> SmtpConnection:
    """A connection to the fake that is ready for mail."""
    stream = fake.connect(nursery)
    connection = await introduce(stream, UPSTREAM, timeouts or Timeouts())
    assert isinstance(connection, SmtpConnection), connection
    return connection


async def carried(
    fake: FakeUpstream, source: Mails, timeouts: Timeouts | None = None
) -> Broken | None:
    """How a run over one connection ended."""
    async with trio.open_nursery() as nursery:
        connection = await opened(fake, nursery, timeouts)
        ending = await connection.run(source)
        assert connection.is_open is (ending is None)
        await connection.quit()
        nursery.cancel_scope.cancel()
    return ending


@pytest.mark.parametrize("keywords", [Script().keywords, LOCK_STEP])
async def test_messages_arrive_as_they_were_given(keywords: tuple[str, ...]) -> None:
    """ATTACKS 1: dots and all, in order, each once, pipelined or not."""
    fake = FakeUpstream(Script(keywords=keywords))
    source = Mails(*(mail(tag) for tag in range(20)))
    assert await carried(fake, source) is None
    assert all(isinstance(outcome, Accepted) for outcome in source.ends)
    assert [m.content for m in fake.received] == [CONTENT] * 20
    assert [m.recipients for m in fake.received] == [
        (f"<{tag}@r.test>",) for tag in range(20)
    ]
    assert fake.verbs == [["EHLO", *["MAIL", "RCPT", "DATA"] * 20, "QUIT"]]


async def test_large_message_arrives_whole() -> None:
    """A message of several pieces is one message."""
    content = b"Subject: big\r\n\r\n" + b".0123456789\r\n" * 100_000
    fake = FakeUpstream()
    source = Mails(mail(1, content), mail(2))
    assert await carried(fake, source) is None
    assert [m.content for m in fake.received] == [content, CONTENT]


@pytest.mark.parametrize("keywords", [Script().keywords, LOCK_STEP])
async def test_refused_message_does_not_disturb_its_neighbours(
    keywords: tuple[str, ...],
) -> None:
    """One refused at each stage, the others go through on the same connection."""
    steps: dict[str, Doing | list[Doing | None]] = {
        "MAIL": [None, Say("451 4.3.0 later")],
        "RCPT": [None, Say("503 x"), Say("550 5.1.1 unknown")],
        "DATA": [None, Say("503 x"), Say("503 x"), Say("452 4.3.1 full")],
        "DOT": [None, Say("554 5.7.1 spam")],
    }
    if keywords is LOCK_STEP:
        steps |= {
            "RCPT": [None, Say("550 5.1.1 unknown")],
            "DATA": [None, Say("452 4.3.1 full")],
        }
    fake = FakeUpstream(Script(steps, keywords))
    source = Mails(*(mail(tag) for tag in range(6)))
    assert await carried(fake, source) is None
    ends = source.ends
    stages = [end.stage for end in ends if isinstance(end, Rejected)]
    assert stages == [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT]
    assert isinstance(ends[0], Accepted)
    assert isinstance(ends[5], Accepted)
    assert len(fake.received) == 2


@pytest.mark.parametrize("reply", ["550 5.1 no", "550 5.1.1.1 no", "550 9.9.9 no"])
async def test_malformed_enhanced_code_is_no_code(reply: str) -> None:
    """ATTACKS 23: the reply code decides, the words are kept."""
    source = Mails(mail(1))
    fake = FakeUpstream(Script({"DOT": Say(reply)}))
    assert await carried(fake, source) is None
    [outcome] = source.ends
    assert isinstance(outcome, Rejected)
    assert outcome.reply == Reply(550, (reply.removeprefix("550 "),))


@pytest.mark.parametrize(
    "doing",
    [
        Endless(b"250-more\r\n"),
        Endless(b"x" * 65_536),
        Endless(b"250-" + b"x" * 1_900 + b"\r\n"),
        Say(b"250-one\r\n550 two\r\n"),
        Say(b"\x16\x03\x01\x00\r\n"),
        Say("354 go on"),
    ],
)
@pytest.mark.parametrize("verb", ["MAIL", "DOT"])
async def test_what_is_no_answer_breaks_the_connection(verb: str, doing: Doing) -> None:
    """ATTACKS 23: an endless or 100 MB reply is cut off; in doubt after the dot."""
    source = Mails(mail(1), mail(2))
    ending = await carried(FakeUpstream(Script({verb: doing})), source)
    assert ending is not None
    assert ending.fault is Fault.GARBAGE
    first = source.ends[0]
    assert isinstance(first, Broken)
    assert first.after_dot is (verb == "DOT")
    assert source.ends[1:] in ([], [Untouched()])


async def test_close_before_the_answer_to_the_dot_is_in_doubt() -> None:
    """ATTACKS 23: the message was taken and nobody said so."""
    source = Mails(mail(1), mail(2))
    fake = FakeUpstream(Script({"DOT": Close()}))
    ending = await carried(fake, source)
    assert ending is not None
    assert len(fake.received) == 1
    first, second = source.ends
    assert isinstance(first, Broken)
    assert first.after_dot
    assert second == Untouched()


@pytest.mark.parametrize(
    "script",
    [
        Script({"DOT": (Say("250 ok"), Close())}),
        Script({"DOT": (Say("250 ok"), Say("421 4.7.0 too many"), Close())}),
        Script({"MAIL": [None, (Say("421 4.7.0 too many"), Close())]}),
        Script({"RCPT": [None, (Say("421 4.7.0 too many"), Close())]}),
        Script({"MAIL": [None, Close()]}),
        Script({"MAIL": [None, Say("junk")]}),
    ],
)
async def test_server_that_stops_after_one_message_harms_none(script: Script) -> None:
    """ATTACKS 23: 2xx then close, 421 mid-pipeline: the next goes out elsewhere."""
    source = Mails(mail(1), mail(2))
    fake = FakeUpstream(script, Script())
    assert await carried(fake, source) is not None
    assert isinstance(source.ends[0], Accepted)
    assert source.outcomes.pop(2) == [Untouched()]
    source.waiting.append(mail(2))
    assert await carried(fake, source) is None
    assert [m.recipients for m in fake.received] == [("<1@r.test>",), ("<2@r.test>",)]
    assert isinstance(source.ends[1], Accepted)


STAGES = [("MAIL", 60), ("RCPT", 60), ("DATA", 60), ("DOT", 600)]


@pytest.mark.parametrize(("verb", "seconds"), STAGES)
async def test_silence_ends_with_the_patience_of_the_step(
    verb: str, seconds: int, autojump_clock: trio.testing.MockClock
) -> None:
    """RFC 5321 4.5.3.2: every wait has its deadline; the dot's is in doubt."""
    del autojump_clock
    source = Mails(mail(1), mail(2))
    fake = FakeUpstream(Script({verb: Hold(trio.Event())}))
    began = trio.current_time()
    ending = await carried(fake, source)
    assert trio.current_time() - began == pytest.approx(seconds)
    assert ending is not None
    assert ending.fault is Fault.TIMEOUT
    first = source.ends[0]
    assert isinstance(first, Broken)
    assert (first.stage.name, first.after_dot) == (verb, verb == "DOT")


async def test_a_byte_a_minute_gains_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """ATTACKS 4: a deadline covers the whole reply, not each byte of it."""
    del autojump_clock
    steps = [trio.Event() for _ in range(4)]

    async def drip() -> None:
        for event in steps:
            await trio.sleep(25)
            event.set()

    doing: Doing = tuple(
        action for event in steps for action in (Say(b"2"), Hold(event))
    )
    source = Mails(mail(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        began = trio.current_time()
        ending = await carried(FakeUpstream(Script({"MAIL": doing})), source)
        assert trio.current_time() - began == pytest.approx(60)
        nursery.cancel_scope.cancel()
    assert ending is not None
    assert ending.fault is Fault.TIMEOUT


async def test_server_that_does_not_read_is_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A blocked write ends after `block_s`."""
    del autojump_clock
    fake = FakeUpstream(Script({"DATA": (Say("354 go"), Hold(trio.Event()))}))
    source = Mails(mail(1))
    ours, theirs = trio.testing.lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fake.handle, theirs)
        connection = await introduce(ours, UPSTREAM)
        assert isinstance(connection, SmtpConnection)
        began = trio.current_time()
        ending = await connection.run(source)
        assert trio.current_time() - began == pytest.approx(180)
        nursery.cancel_scope.cancel()
    assert ending is not None
    assert ending.fault is Fault.TIMEOUT
    assert len(source.ends) == 1


async def test_cancelled_run_leaves_nothing_unsaid(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Cancelled in flight: in doubt behind the dot, untouched before it."""
    del autojump_clock
    source = Mails(mail(1), mail(2), mail(3))
    fake = FakeUpstream(Script({"DOT": Hold(trio.Event())}))
    async with trio.open_nursery() as nursery:
        connection = await opened(fake, nursery)
        with trio.move_on_after(1):
            await connection.run(source)
        assert not connection.is_open
        nursery.cancel_scope.cancel()
    first, second = source.ends
    assert isinstance(first, Broken)
    assert (first.fault, first.after_dot) == (Fault.CANCELLED, True)
    assert second == Untouched()
    assert len(source.waiting) == 1


async def test_run_that_is_cancelled_while_idle_keeps_its_connection(
    nursery: trio.Nursery,
) -> None:
    """A kept connection can be run again, and ended with QUIT."""
    source = Mails(mail(1))
    source.stays = True
    fake = FakeUpstream()
    connection = await opened(fake, nursery)
    with trio.CancelScope() as scope:

        async def stop_when_idle() -> None:
            await source.idle.wait()
            scope.cancel()

        nursery.start_soon(stop_when_idle)
        await connection.run(source)
    assert connection.is_open
    source.waiting.append(mail(2))
    source.stays = False
    assert await connection.run(source) is None
    answer = await connection.quit()
    assert isinstance(answer, Reply)
    assert answer.code == 221
    assert await connection.quit() is None
    assert fake.verbs == [["EHLO", *["MAIL", "RCPT", "DATA"] * 2, "QUIT"]]


@pytest.mark.parametrize("keywords", [Script().keywords, LOCK_STEP])
async def test_refused_message_does_not_disturb_the_next_run(
    nursery: trio.Nursery, keywords: tuple[str, ...]
) -> None:
    """What the server still holds of it is reset when the connection runs again."""
    fake = FakeUpstream(Script({"RCPT": [Say("550 5.1.1 unknown")]}, keywords))
    connection = await opened(fake, nursery)
    source = Mails(mail(1))
    assert await connection.run(source) is None
    source.waiting.append(mail(2))
    assert await connection.run(source) is None
    assert [type(end) for end in source.ends] == [Rejected, Accepted]
    assert fake.verbs[0].count("RSET") == 1
    await connection.quit()


async def test_connection_that_died_while_idle_harms_none(
    nursery: trio.Nursery,
) -> None:
    """A server that closed a kept connection gets the message on the next one."""
    source = Mails(mail(1))
    fake = FakeUpstream(Script({"DOT": (Say("250 ok"), Close())}), Script())
    connection = await opened(fake, nursery)
    assert await connection.run(source) is None
    source.waiting.append(mail(2))
    assert await connection.run(source) is not None
    assert source.outcomes.pop(2) == [Untouched()]
    source.waiting.append(mail(2))
    assert await carried(fake, source) is None
    assert isinstance(source.ends[1], Accepted)


class Inbox:
    """What aiosmtpd hands over."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: object, _session: object, envelope: object
    ) -> str:
        """Keep the content as it came."""
        content = getattr(envelope, "original_content", None)
        assert isinstance(content, bytes)
        self.contents.append(content)
        return "250 2.0.0 kept"


@contextlib.contextmanager
def aiosmtpd_server(inbox: Inbox) -> Iterator[int]:
    """An independent server in a thread of its own; yields its port."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from aiosmtpd.controller import Controller

        # It wants to know its port beforehand.
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        controller = Controller(inbox, hostname="127.0.0.1", port=port)
        controller.start()
    try:
        yield port
    finally:
        controller.stop()


async def test_independent_server_reads_the_same_messages() -> None:
    """aiosmtpd, which knows nothing of us, gets every byte."""
    inbox = Inbox()
    contents = [b"Subject: %d\r\n\r\n.\r\n..\r\n.x\r\n" % n for n in range(20)]
    contents.append(b"Subject: 8\r\n\r\n\xc3\xbc\r\n")
    source = Mails(*(mail(n, content) for n, content in enumerate(contents)))
    with aiosmtpd_server(inbox) as port:
        connection = await connect(Upstream("127.0.0.1", port, Security.NONE))
        assert isinstance(connection, SmtpConnection)
        assert await connection.run(source) is None
        await connection.quit()
    assert inbox.contents == contents
    assert all(isinstance(end, Accepted) for end in source.ends)


async def test_the_final_dot_waits_until_it_may_leave() -> None:
    """The content is with the server meanwhile, and is no message yet."""
    fake = FakeUpstream()
    source = Mails(mail(1), mail(2))
    source.permission = permission = Permitted(at_once=False)
    async with trio.open_nursery() as nursery:
        connection = await opened(fake, nursery)
        nursery.start_soon(connection.run, source)
        await trio.testing.wait_all_tasks_blocked()
        assert source.asked == [1]
        assert fake.received == []
        permission.told.set()
        await trio.testing.wait_all_tasks_blocked()
        assert source.asked == [1, 2]
        assert [one.content for one in fake.received] == [CONTENT] * 2
        await connection.quit()
        nursery.cancel_scope.cancel()
    assert all(isinstance(outcome, Accepted) for outcome in source.ends)


@pytest.mark.parametrize("at_once", [True, False])
async def test_without_permission_nothing_was_sent(
    *, at_once: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Refused or never given: the connection ends, and no mail is blamed."""
    fake = FakeUpstream()
    source = Mails(mail(1), mail(2))
    source.permission = Permitted(may=False, at_once=at_once)
    ending = await carried(fake, source)
    assert ending == Broken(Stage.DOT, Fault.CANCELLED, NOT_NOTED)
    assert source.ends == [Untouched()]
    assert fake.received == []
    assert autojump_clock.current_time() < Timeouts().command_s + 1


async def test_a_server_that_hangs_up_before_the_dot_has_no_message() -> None:
    """ATTACKS 23: nothing is in doubt whose dot had not left."""
    fake = FakeUpstream(Script({"DATA": (Say("354 go"), Close())}))
    source = Mails(mail(1))
    source.permission = permission = Permitted(at_once=False)
    async with trio.open_nursery() as nursery:
        connection = await opened(fake, nursery)
        nursery.start_soon(connection.run, source)
        await trio.testing.wait_all_tasks_blocked()
        permission.may = False
        permission.told.set()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    (outcome,) = source.ends
    assert not (isinstance(outcome, Broken) and outcome.after_dot)


async def test_a_server_that_hung_up_while_the_dot_was_noted_has_no_message() -> None:
    """ATTACKS 23: a dot that may leave now stays here, and nothing is in doubt."""
    fake = FakeUpstream(Script({"DATA": (Say("354 go"), Close())}))
    source = Mails(mail(1))
    source.permission = permission = Permitted(at_once=False)
    async with trio.open_nursery() as nursery:
        stream = await dial("127.0.0.1", await fake.start(nursery))
        connection = await introduce(stream, UPSTREAM, Timeouts())
        assert isinstance(connection, SmtpConnection)
        nursery.start_soon(connection.run, source)
        while not source.asked:
            await trio.testing.wait_all_tasks_blocked(0.01)
        await trio.lowlevel.wait_readable(stream.socket)
        permission.told.set()
        while not source.outcomes:
            await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    (outcome,) = source.ends
    assert isinstance(outcome, Broken)
    assert (outcome.fault, outcome.after_dot) == (Fault.CLOSED, False)


async def test_a_permission_at_the_last_moment_puts_nothing_in_doubt() -> None:
    """Time was over when it came: the dot stays here, and all is as before."""
    fake = FakeUpstream()
    async with trio.open_nursery() as nursery:
        connection = await opened(fake, nursery)

        class JustInTime:
            """A permission that comes as its time is over."""

            async def wait(self) -> bool:
                connection._watchdog.scope.cancel()
                return True

        source = Mails(mail(1))
        source.permission = JustInTime()
        ending = await connection.run(source)
        nursery.cancel_scope.cancel()
    assert ending == Broken(Stage.DOT, Fault.CANCELLED, NOT_NOTED)
    assert source.ends == [Untouched()]
    assert fake.received == []


async def test_time_that_is_over_with_the_answer_is_not_charged_to_the_next() -> None:
    """The connection ends; the mail behind it is not even taken."""
    fake = FakeUpstream(Script(keywords=LOCK_STEP))
    async with trio.open_nursery() as nursery:
        connection = await opened(fake, nursery)

        class Late(Mails):
            """Whose first answer comes as its time is over."""

            async def next(self) -> Transaction[int] | None:
                return self.try_next()

            def done(self, transaction: Transaction[int], outcome: Outcome) -> None:
                super().done(transaction, outcome)
                connection._watchdog.scope.cancel()

        source = Late(mail(1), mail(2))
        ending = await connection.run(source)
        nursery.cancel_scope.cancel()
    assert isinstance(ending, Broken)
    assert ending.fault is Fault.TIMEOUT
    assert [type(outcome) for outcome in source.ends] == [Accepted]
    assert [one.tag for one in source.waiting] == [2]
    assert not connection.is_open
