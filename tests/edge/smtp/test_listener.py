"""The doors on real sockets: who is let in, who is not, and how they close."""

import errno
import logging
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.edge.listen import BindError, open_sockets
from appliance.edge.smtp import listener as listener_module
from appliance.edge.smtp.limits import Limits
from appliance.edge.smtp.listener import Door
from appliance.edge.smtp.session import Peer
from appliance.net.smtp_session import Patience
from tests.fakes.smtp_doors import (
    MANNERS,
    PASSWORD,
    Caller,
    Doors,
    FakeDesk,
    open_doors,
    trusting,
)

MAIL = "Subject: x\r\n\r\nhi\r\n"


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    """All three, with the limits as they are by default."""
    async with open_doors(tmp_path) as opened:
        yield opened


async def settled() -> None:
    """Returns when everybody waits, the kernel too."""
    await trio.testing.wait_all_tasks_blocked(0.01)


# --- a session ------------------------------------------------------------------


async def test_a_mail_comes_in_over_starttls(doors: Doors) -> None:
    """From the greeting to the goodbye, on a real socket."""
    async with doors.logged_in() as caller:
        await caller.begin_mail()
        assert (await caller.says(f"{MAIL}.")).startswith("250 ")
        assert (await caller.says("QUIT")).startswith("221 ")
        assert await caller.ends() == b""
    assert doors.desk.mails == [MAIL.encode()]
    (peer,) = doors.desk.peers
    assert (peer.address, peer.door) == ("127.0.0.1", "submission")
    assert peer.port > 1023


async def test_a_mail_comes_in_over_tls_from_the_start(doors: Doors) -> None:
    """RFC 8314; STARTTLS is not offered there."""
    async with doors.call(Door.SUBMISSIONS) as caller:
        await caller.start_tls()
        assert (await caller.hears()).startswith("220 mail.test ")
        told = await caller.says("EHLO client.test")
        assert "STARTTLS" not in told
        assert "AUTH PLAIN LOGIN" in told
        assert (await caller.log_in()).startswith("235 ")
        await caller.begin_mail()
        assert (await caller.says(f"{MAIL}.")).startswith("250 ")
    assert doors.desk.peers[0].door == "submissions"


async def test_the_third_door_is_as_the_first(doors: Doors) -> None:
    """Submission by those who log in."""
    async with doors.call(Door.MX) as caller:
        await caller.secure()
        assert (await caller.log_in()).startswith("235 ")
        assert (await caller.says("MAIL FROM:<>")).startswith("250 ")
    assert doors.desk.peers[0].door == "mx"


async def test_words_in_clear_behind_starttls_are_not_obeyed(doors: Doors) -> None:
    """ATTACKS 2: on a real socket, in one packet and in two."""
    async with doors.call() as caller:
        await caller.hears()
        await caller.says("EHLO client.test")
        await caller.send(b"STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<a@b.test>\r\n")
        assert (await caller.hears()).startswith("220 ")
        await caller.start_tls()
        assert (await caller.says("MAIL FROM:<a@b.test>")).startswith("503 ")
        assert (await caller.says("NOOP")).startswith("250 ")
    async with doors.call() as caller:
        await caller.hears()
        await caller.says("EHLO client.test")
        assert (await caller.says("STARTTLS")).startswith("220 ")
        await caller.send(b"EHLO evil.test\r\nMAIL FROM:<a@b.test>\r\n" * 20)
        # No handshake: at most an alert of TLS comes, and no reply of SMTP.
        assert b"250" not in await caller.ends()


async def test_a_client_of_tls_at_the_door_in_clear_is_told(doors: Doors) -> None:
    """A mistake as common as it is hard to find."""
    async with doors.call() as caller:
        assert (await caller.hears()).startswith("220 ")
        await caller.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert (await caller.hears()).startswith("500 5.5.2 ")
        assert await caller.ends() == b""


async def test_a_client_in_clear_at_the_door_of_tls_is_cut(doors: Doors) -> None:
    """Not a word of SMTP goes out in clear there."""
    async with doors.call(Door.SUBMISSIONS) as caller:
        await caller.send(b"EHLO client.test\r\n")
        assert b"220" not in await caller.ends()


async def test_a_bug_in_one_session_is_nobody_else_s(
    doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, with the peer and without the password."""
    async with doors.call() as caller, doors.logged_in() as other:
        await caller.secure()
        assert (await caller.log_in(user="bug")).startswith("451 4.3.0 ")
        assert await caller.ends() == b""
        assert (await other.says("NOOP")).startswith("250 ")
    (line,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert line.message == "smtp.session_failed"
    assert vars(line)["postroom_keys"] == {"peer": "127.0.0.1", "door": "submission"}
    assert PASSWORD not in caplog.text


async def test_a_desk_that_cannot_begin_is_nobody_else_s(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the accepting ends."""
    with monkeypatch.context() as broken:
        broken.setattr(FakeDesk, "session", lambda *_: 1 / 0)
        async with doors.call() as caller:
            assert await caller.ends() == b""
    async with doors.call() as caller:
        assert (await caller.hears()).startswith("220 ")


# --- where they are -------------------------------------------------------------


async def test_each_door_may_have_several_addresses(tmp_path: Path) -> None:
    """Of both families; a door without any is closed."""
    binds = {Door.SUBMISSION: ["127.0.0.1:0", "[::1]:0"], Door.MX: []}
    async with open_doors(tmp_path, binds=binds) as doors:
        first, second = doors.bound[Door.SUBMISSION]
        assert first.startswith("127.0.0.1:")
        assert second.startswith("[::1]:")
        assert doors.bound[Door.SUBMISSIONS] == doors.bound[Door.MX] == ()
        for bound in (first, second):
            host, _, port = bound.rpartition(":")
            stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
            async with stream:
                assert (await Caller(stream).hears()).startswith("220 ")
    assert [one.address for one in doors.desk.peers] == ["127.0.0.1", "::1"]


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """And what was opened before is closed again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        binds = {Door.SUBMISSION: ["127.0.0.1:0"], Door.MX: [address]}
        with pytest.raises(BaseExceptionGroup) as caught:
            async with open_doors(tmp_path, binds=binds):
                pass
    assert caught.group_contains(BindError, match=f"{address}: it is in use")


# --- how many -------------------------------------------------------------------


async def test_one_session_too_many_is_told_so(tmp_path: Path) -> None:
    """ATTACKS 4: the others go on, and a place that became free is given again."""
    limits = Limits(max_sessions=2)
    async with open_doors(tmp_path, limits=limits) as doors:
        async with doors.logged_in() as one, doors.call(Door.MX) as two:
            await two.hears()
            async with doors.call() as three:
                assert (await three.hears()).startswith("421 4.3.2 ")
                assert await three.ends() == b""
            async with doors.call(Door.SUBMISSIONS) as four:
                await four.start_tls()
                assert (await four.hears()).startswith("421 4.3.2 ")
                assert await four.ends() == b""
            assert (await one.says("NOOP")).startswith("250 ")
        await settled()
        async with doors.call() as five:
            assert (await five.hears()).startswith("220 ")


async def test_one_address_does_not_take_all_places(tmp_path: Path) -> None:
    """ATTACKS 4: another one still comes in."""
    limits = Limits(max_sessions_per_origin=2)
    binds = {Door.SUBMISSION: ["127.0.0.1:0", "[::1]:0"]}
    async with (
        open_doors(tmp_path, limits=limits, binds=binds) as doors,
        doors.call() as one,
        doors.call() as two,
    ):
        await one.hears()
        await two.hears()
        async with doors.call() as three:
            assert (await three.hears()).startswith("421 4.7.0 ")
        port = int(doors.bound[Door.SUBMISSION][1].rpartition(":")[2])
        async with await trio.open_tcp_stream("::1", port) as stream:
            assert (await Caller(stream).hears()).startswith("220 ")


async def test_a_flood_of_connections_ends_nothing(tmp_path: Path) -> None:
    """ATTACKS 4: far more than there are places, and none of them says a word."""
    limits = Limits(max_sessions=50)
    async with open_doors(tmp_path, limits=limits) as doors:
        async with doors.logged_in() as owner:
            host, _, port = doors.bound[Door.SUBMISSION][0].rpartition(":")
            turned_away = 0
            async with AsyncExitStack() as flood:
                for _ in range(600):  # a process may often have 1,024 files
                    stream = await trio.open_tcp_stream(host, int(port))
                    flood.push_async_callback(trio.aclose_forcefully, stream)
                    said = await Caller(stream).hears()
                    turned_away += said.startswith("421 ")
                assert turned_away == 600 - 49
                await owner.begin_mail()
                assert (await owner.says(f"{MAIL}.")).startswith("250 ")
        await settled()
        async with doors.logged_in():
            pass


@contextmanager
def no_files_left() -> Iterator[None]:
    """This process may open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno(), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_no_more_files_is_no_end(
    doors: Doors,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """ATTACKS 26: who waits is served when there are files again."""
    async with doors.logged_in() as other:
        host, _, port = doors.bound[Door.SUBMISSION][0].rpartition(":")
        with trio.socket.socket() as sock:
            with no_files_left():
                await sock.connect((host, int(port)))
                await trio.sleep(1)
                assert (await other.says("NOOP")).startswith("250 ")
            caller = Caller(trio.SocketStream(sock))
            assert (await caller.hears()).startswith("220 ")
    lines = [one for one in caplog.records if one.message == "smtp.cannot_accept"]
    assert len(lines) == 1
    assert vars(lines[0])["postroom_keys"]["error"].errno == errno.EMFILE
    assert autojump_clock.current_time() < 5


class Moody(socket.socket):
    """A listener whose accept fails in all the ways of accept(2) first."""

    errors: list[int]

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """Fail, or take the next connection."""
        if self.errors:
            raise OSError(self.errors.pop(), "mood")
        return super().accept()


async def test_no_failure_to_accept_is_an_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ATTACKS 26: who was there and has gone is no trouble, all else is told."""
    moody: list[Moody] = []

    def open_moody(binds: Sequence[str]) -> list[socket.socket]:
        (sock,) = open_sockets(binds)
        moody.append(Moody(fileno=sock.detach()))
        moody[0].errors = [errno.EPERM, errno.ENOMEM, errno.ECONNABORTED, errno.EIO]
        return [*moody]

    monkeypatch.setattr(listener_module, "open_sockets", open_moody)
    async with (
        open_doors(tmp_path, binds={Door.MX: ["127.0.0.1:0"]}) as doors,
        doors.call(Door.MX) as caller,
    ):
        assert (await caller.hears()).startswith("220 ")
    assert moody[0].errors == []
    (line,) = [one for one in caplog.records if one.message == "smtp.cannot_accept"]
    assert vars(line)["postroom_keys"]["error"].errno == errno.EIO


# --- who guesses ----------------------------------------------------------------


async def test_who_guesses_is_shut_out_at_the_door(doors: Doors) -> None:
    """ATTACKS 3: at each door, in the words of the contract; and no desk is asked."""
    async with doors.call() as caller:
        await caller.secure()
        for number in range(5):
            said = await caller.log_in(f"wrong {number}")
            assert said == "535 5.7.8 Authentication failed"
    blocked = "421 4.7.0 Too many failed authentications, try again later"
    asked = len(doors.desk.peers)
    for door in (Door.SUBMISSION, Door.MX):
        async with doors.call(door) as caller:
            assert await caller.hears() == blocked
            assert await caller.ends() == b""
    async with doors.call(Door.SUBMISSIONS) as caller:
        await caller.start_tls()
        assert await caller.hears() == blocked
    assert len(doors.desk.peers) == asked


async def test_the_owner_elsewhere_is_not_shut_out(tmp_path: Path) -> None:
    """ATTACKS 3: however often others guess the key of the same user."""
    binds = {Door.SUBMISSION: ["127.0.0.1:0", "[::1]:0"]}
    async with open_doors(tmp_path, binds=binds) as doors:
        async with doors.logged_in() as before:
            async with doors.call() as caller:
                await caller.secure()
                for _ in range(5):
                    await caller.log_in("wrong")
            # Nor does a session end that was let in before.
            assert (await before.says("NOOP")).startswith("250 ")
        port = int(doors.bound[Door.SUBMISSION][1].rpartition(":")[2])
        async with await trio.open_tcp_stream("::1", port) as stream:
            owner = Caller(stream)
            await owner.secure()
            assert (await owner.log_in()).startswith("235 ")


async def test_goodbyes_under_tls_are_bounded(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATTACKS 4: who asks for many at once is just closed, which computes nothing."""
    monkeypatch.setattr(listener_module, "_GOODBYES", 1)
    for _ in range(5):
        await doors.guard.failed("127.0.0.1")
    async with doors.call(Door.SUBMISSIONS) as one:
        await settled()
        async with doors.call(Door.SUBMISSIONS) as two:
            assert await two.ends() == b""
        await one.start_tls()
        assert (await one.hears()).startswith("421 ")


async def test_who_asks_for_a_goodbye_and_waits_is_cut(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """ATTACKS 4: half a handshake holds nothing here, either."""
    async with open_doors(tmp_path) as doors:
        for _ in range(5):
            await doors.guard.failed("127.0.0.1")
        async with doors.call(Door.SUBMISSIONS) as caller:
            started = autojump_clock.current_time()
            await caller.send(b"\x16\x03\x01")
            assert await caller.ends() == b""
            assert autojump_clock.current_time() - started <= 3


# --- how long -------------------------------------------------------------------


async def test_half_open_handshakes_go(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """ATTACKS 4: at both kinds of door, however they were begun."""
    limits = Limits(max_sessions=3)
    async with open_doors(tmp_path, limits=limits, soon=1000) as doors:
        started = autojump_clock.current_time()
        async with AsyncExitStack() as stack:
            for number in range(3):
                caller = await stack.enter_async_context(doors.call(Door.SUBMISSIONS))
                await caller.send(b"\x16\x03\x01\x02\x00\x01\x00"[: number * 3])
            await settled()
            async with doors.call() as late:
                assert (await late.hears()).startswith("421 4.3.2 ")
            await trio.sleep(31)
            async with doors.call() as later:
                assert (await later.hears()).startswith("220 ")
                await later.says("EHLO client.test")
                await later.says("STARTTLS")
                assert await later.ends() == b""
        assert autojump_clock.current_time() - started < 70


async def test_a_byte_a_minute_goes(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """ATTACKS 4: and is told; on real sockets, and all of it ten times as fast."""
    limits = Limits(patience=Patience(login=1e6, idle=30))
    async with (
        open_doors(tmp_path, limits=limits, soon=1000) as doors,
        doors.call() as caller,
        trio.open_nursery() as nursery,
    ):
        assert (await caller.hears()).startswith("220 ")
        started = autojump_clock.current_time()

        async def trickle() -> None:
            while True:
                await trio.sleep(6)
                await caller.send(b"N")

        nursery.start_soon(trickle)
        assert (await caller.hears()).startswith("421 4.4.2 ")
        assert 30 <= autojump_clock.current_time() - started <= 32
        nursery.cancel_scope.cancel()


# --- how they close -------------------------------------------------------------


async def test_idle_sessions_are_told_when_the_doors_close(doors: Doors) -> None:
    """Whatever they have said so far; nobody new comes in."""
    async with doors.logged_in() as one, doors.call() as two:
        assert (await two.hears()).startswith("220 ")
        async with doors.call(Door.SUBMISSIONS) as silent:
            await settled()
            doors.closing.set()
            for caller in (one, two):
                assert (await caller.hears()).startswith("421 4.3.2 ")
                assert await caller.ends() == b""
            assert await silent.ends() == b""
        with pytest.raises(OSError, match="all attempts to connect"):
            async with doors.call():
                pass


async def test_a_mail_under_way_is_taken_before_the_doors_are_closed(
    doors: Doors,
) -> None:
    """In the middle of its content, or with the desk already."""
    async with doors.logged_in() as one, doors.logged_in() as two:
        for caller in (one, two):
            await caller.begin_mail()
        doors.desk.hold = trio.Event()
        await one.send(f"{MAIL}.\r\n".encode())
        await doors.desk.began.wait()
        await two.send(b"Subj")
        await settled()
        doors.closing.set()
        await settled()
        doors.desk.hold.set()
        await two.send(b"ect: y\r\n\r\nhi\r\n.\r\n")
        for caller in (one, two):
            assert (await caller.hears()).startswith("250 ")
            assert (await caller.hears()).startswith("421 4.3.2 ")
    assert sorted(doors.desk.mails) == [
        MAIL.encode(),
        MAIL.encode().replace(b"x", b"y"),
    ]


async def test_a_mail_that_does_not_end_is_cut(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """ATTACKS 4: after the drain timeout, and the sender knows to come again."""
    async with open_doors(tmp_path) as doors, doors.logged_in() as caller:
        await caller.begin_mail()
        await settled()
        started = autojump_clock.current_time()
        doors.closing.set()
        assert (await caller.hears()).startswith("421 4.3.2 ")
        assert 10 <= autojump_clock.current_time() - started <= 11
    assert doors.desk.mails == []


async def test_a_desk_that_does_not_end_is_cut(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A stop is a stop."""
    async with open_doors(tmp_path) as doors, doors.logged_in() as caller:
        await caller.begin_mail()
        doors.desk.hold = trio.Event()
        await caller.send(f"{MAIL}.\r\n".encode())
        await doors.desk.began.wait()
        started = autojump_clock.current_time()
        doors.closing.set()
        assert await caller.hears() == ""
        assert 10 <= autojump_clock.current_time() - started <= 13


async def test_limits_of_a_session_hold_on_sockets(tmp_path: Path) -> None:
    """ATTACKS 4: the last words arrive, however much is left unread."""
    manners = replace(MANNERS, max_errors=3)
    async with open_doors(tmp_path, manners=manners) as doors, doors.call() as caller:
        assert (await caller.hears()).startswith("220 ")
        await caller.send(b"WHAT\r\n" * 10_000)
        said = (await caller.ends()).splitlines()
        assert said[-1].startswith(b"421 4.7.0 Too many errors")
        assert len(said) == 5


async def test_tls_versions_are_today_s(doors: Doors) -> None:
    """At the doors, too."""
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with doors.call(Door.SUBMISSIONS) as caller:
        stream = trio.SSLStream(caller.stream, context, server_hostname="x")
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()


def test_a_zone_is_no_part_of_an_address() -> None:
    """It is good on this machine only."""
    assert listener_module._bare("fe80::1%eth0") == "fe80::1"
    assert Peer("192.0.2.1", 1, Door.MX).door == "mx"
