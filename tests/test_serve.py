import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import trio
import trio.testing
from cryptography import x509

from appliance import serve
from appliance.core.delivery import State
from appliance.core.event import EventType
from appliance.edge.listen import BindError
from appliance.flow.setup import DataFolder, FolderError, open_data
from appliance.net.tls_server import CertificateError
from appliance.serve import Addresses, run_server
from appliance.store.deliveries import counts_by_state
from appliance.store.login_blocks import lift_login_block
from appliance.store.messages import get_message, list_recent
from tests.fakes.house import (
    DOMAIN,
    NO_TLS,
    SEND,
    House,
    Premises,
    furnish,
    lead_to,
    mail,
    open_house,
    running,
    settings_of,
)
from tests.fakes.postroom import DOORS, ROOT, program_words
from tests.fakes.programs import wait_until
from tests.fakes.smtp_doors import Caller
from tests.fakes.upstream import FakeUpstream, Hold, Say, Script

SOON = 20.0


def mode(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def run_folder(folder: DataFolder) -> set[str]:
    """What is in it."""
    return {one.name for one in folder.run.iterdir()}


# --- what others see of it ------------------------------------------------------


async def test_it_says_where_it_listens(tmp_path: Path) -> None:
    """What is really bound, for the owner's eyes; gone after a clean stop."""
    async with open_house(tmp_path) as house:
        found = json.loads(house.folder.addresses.read_text())
        (http,) = house.addresses.http
        (submission,) = house.addresses.submission
        (submissions,) = house.addresses.submissions
        assert found == {
            "http": http,
            "live": f"ws://{http}/postroom/v1/live",
            "submission": [submission],
            "submissions": [submissions],
            "mx": [],
        }
        for bound in (http, submission, submissions):
            assert int(bound.rpartition(":")[2]) > 0
        folder = house.folder
        for path in (folder.addresses, folder.control_key, folder.lock):
            assert mode(path) == 0o600
        assert mode(folder.run) == 0o700
        assert run_folder(folder) == {"addresses.json", "control.key", "lock"}
    assert run_folder(folder) == {"lock"}


async def test_each_start_has_its_own_operators_key(tmp_path: Path) -> None:
    """An old copy of the key opens nothing."""
    premises, keys = await furnish(tmp_path), set()
    for _ in range(2):
        async with running(premises) as house:
            keys.add(house.folder.control_key.read_text())
    assert len(keys) == 2


async def test_what_a_killed_server_left_disturbs_nobody(tmp_path: Path) -> None:
    """Its addresses are not believed for a moment, nor left behind."""
    premises = await furnish(tmp_path)
    folder = premises.folder
    folder.run.mkdir(mode=0o700)
    folder.addresses.write_text('{"http": "127.0.0.1:1"}')
    folder.control_key.write_text("old")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"http.bind=127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BaseExceptionGroup):
            await run_server(folder, settings_of(folder, bind), trio.Event())
    assert run_folder(folder) == {"lock"}
    folder.addresses.write_text('{"http": "127.0.0.1:1"}')
    async with running(premises) as house:
        found = json.loads(folder.addresses.read_text())
        assert found["http"] == house.addresses.http[0]


async def test_a_folder_has_one_server(tmp_path: Path) -> None:
    """The second is refused by the name of the lock; the first one serves on."""
    async with open_house(tmp_path) as house:
        before = house.folder.addresses.read_text()
        with pytest.raises(FolderError, match=str(house.folder.lock)) as caught:
            await run_server(house.folder, settings_of(house.folder), trio.Event())
        assert "--data" in caught.value.hint
        assert house.folder.addresses.read_text() == before
        assert (await house.send()).status_code == 200


async def test_a_folder_without_data_has_none(tmp_path: Path) -> None:
    """Nothing is made on the way."""
    folder = DataFolder(tmp_path / "nosuch")
    with pytest.raises(FolderError, match="no Postroom data"):
        await run_server(folder, settings_of(folder), trio.Event())
    assert not folder.root.exists()


async def test_a_run_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """In words, not as a traceback."""
    premises = await furnish(tmp_path)
    premises.folder.run.write_text("in the way")
    with pytest.raises(FolderError, match=r"cannot be used: File exists"):
        await run_server(premises.folder, settings_of(premises.folder), trio.Event())


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """The address and why; the folder is free again."""
    premises = await furnish(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = settings_of(premises.folder, f"http.bind={address}")
        with pytest.raises(BaseExceptionGroup) as caught:
            await run_server(premises.folder, settings, trio.Event())
    (lone,) = leaves(caught.value)
    assert isinstance(lone, BindError)
    assert str(lone) == f"cannot listen on {address}: it is in use"
    async with running(premises) as house:
        assert (await house.send()).status_code == 200


def leaves(error: BaseException) -> list[BaseException]:
    """The errors themselves, without the nurseries they came through."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves(one)]
    return [error]


async def test_several_doors_and_no_door(tmp_path: Path) -> None:
    """Each bind is served; with none at all the relay still works."""
    premises = await furnish(tmp_path)
    binds = "http.bind=127.0.0.1:0,127.0.0.1:0"
    async with running(premises, binds) as house:
        assert len(set(house.addresses.http)) == 2
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
            for address in house.addresses.http:
                answer = await client.get(f"http://{address}/healthz")
                assert answer.status_code == 200
    closing, folder = trio.Event(), premises.folder
    closed = ("http.bind=", "smtp.submission=", "smtp.submissions=")
    settings = settings_of(folder, *closed)
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:

            async def serving(task_status: trio.TaskStatus[Addresses]) -> None:
                await run_server(folder, settings, closing, task_status)

            addresses: Addresses = await nursery.start(serving)
            assert addresses == Addresses(())
            found = json.loads(folder.addresses.read_text())
            assert (found["http"], found["live"]) == ("", "")
            closing.set()


# --- the SMTP doors --------------------------------------------------------------


@asynccontextmanager
async def call(address: str) -> AsyncIterator[Caller]:
    """A client of the door at this address."""
    host, _, port = address.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        yield Caller(stream)


async def test_mail_comes_in_by_the_smtp_doors(tmp_path: Path) -> None:
    """In clear until STARTTLS, or under TLS from the start; and it leaves."""
    async with open_house(tmp_path, "smtp.host=mail.test") as house:
        async with call(house.addresses.submission[0]) as caller:
            await caller.secure()
            key = house.made.keys["anypostKey"]
            assert (await caller.log_in(key, user="anypost")).startswith("235 ")
            assert (await caller.says(f"MAIL FROM:<a@{DOMAIN}>")).startswith("250 ")
            assert (await caller.says("RCPT TO:<b@example.net>")).startswith("250 ")
            assert (await caller.says("DATA")).startswith("354 ")
            said = await caller.says(f"From: a@{DOMAIN}\r\n\r\nhi\r\n.")
            assert said.startswith("250 ")
        await house.heard(EventType.SENT)
        async with call(house.addresses.submissions[0]) as caller:
            await caller.start_tls()
            assert (await caller.hears()).startswith("220 mail.test ")


async def test_a_missing_certificate_is_made(tmp_path: Path) -> None:
    """A folder from before there were SMTP doors; once, for the name that is set."""
    premises = await furnish(tmp_path)
    shutil.rmtree(premises.folder.certificate.parent)
    made = []
    for _ in range(2):
        async with running(premises, "smtp.host=mail.test"):
            made.append(premises.folder.certificate.read_bytes())
    assert made[0] == made[1]
    certificate = x509.load_pem_x509_certificate(made[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["mail.test"]


async def test_without_smtp_doors_no_certificate_is_asked_for(tmp_path: Path) -> None:
    """Nor made."""
    premises = await furnish(tmp_path)
    shutil.rmtree(premises.folder.certificate.parent)
    closed = ("smtp.submission=", "smtp.submissions=")
    async with running(premises, *closed, "smtp.certificate=/nosuch"):
        assert not premises.folder.certificate.exists()


async def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The start is refused; nothing else is served instead."""
    premises = await furnish(tmp_path)
    settings = settings_of(premises.folder, "smtp.certificate=/nosuch/cert.pem")
    with pytest.raises(CertificateError, match=r"/nosuch/cert\.pem: No such file"):
        await run_server(premises.folder, settings, trio.Event())
    assert run_folder(premises.folder) == {"lock"}


async def test_an_smtp_port_in_use_is_named(tmp_path: Path) -> None:
    """The web door, which was open by then, is closed again."""
    premises = await furnish(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = settings_of(premises.folder, f"smtp.mx={address}")
        with pytest.raises(BaseExceptionGroup) as caught:
            await run_server(premises.folder, settings, trio.Event())
    (lone,) = leaves(caught.value)
    assert str(lone) == f"cannot listen on {address}: it is in use"


async def test_smtp_sessions_are_told_when_it_stops(tmp_path: Path) -> None:
    """Idle ones end at once: the stop does not wait for them."""
    async with (
        open_house(tmp_path, "smtp.mx=127.0.0.1:0") as house,
        call(house.addresses.mx[0]) as caller,
    ):
        assert (await caller.hears()).startswith("220 ")
        house.closing.set()
        assert (await caller.hears()).startswith("421 4.3.2 ")


async def test_a_lifted_block_is_known_within_a_second(tmp_path: Path) -> None:
    """ATTACKS 3: who was blocked by mistake need not wait for a restart."""
    async with open_house(tmp_path, "smtp.login_failures=2") as house:
        (submission,) = house.addresses.submission
        async with call(submission) as caller:
            await caller.secure()
            for _ in range(2):
                assert (await caller.log_in("wrong")).startswith("535 ")
        async with call(submission) as caller:
            assert (await caller.hears()).startswith("421 4.7.0 ")
        async with house.outside() as store:
            assert await store.write(lift_login_block, "127.0.0.1")
        with trio.fail_after(1):
            while True:
                async with call(submission) as caller:
                    if (await caller.hears()).startswith("220 "):
                        break
                await trio.sleep(0.02)


async def test_a_block_outlives_a_restart(tmp_path: Path) -> None:
    """ATTACKS 3: it is a row."""
    premises = await furnish(tmp_path)
    async with (
        running(premises, "smtp.login_failures=1") as house,
        call(house.addresses.submission[0]) as caller,
    ):
        await caller.secure()
        await caller.log_in("wrong")
    async with (
        running(premises) as house,
        call(house.addresses.submission[0]) as caller,
    ):
        assert (await caller.hears()).startswith("421 4.7.0 ")


def test_all_files_are_taken_that_may_be() -> None:
    """ATTACKS 4: each connection is one; the usual 1,024 are soon used up."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        serve._take_all_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# --- how it stops ---------------------------------------------------------------


@asynccontextmanager
async def holding(
    root: Path, upstream: FakeUpstream, *overrides: str
) -> AsyncIterator[House]:
    """A server whose upstream takes its time."""
    async with trio.open_nursery() as nursery:
        port = await upstream.start(nursery)
        premises = await furnish(root, lambda tx, _: lead_to(tx, port))
        async with running(premises, *overrides) as house:
            yield house
        nursery.cancel_scope.cancel()


async def test_a_running_request_is_answered(tmp_path: Path) -> None:
    """Half a body when the stop comes: it is taken, and on disk."""
    body = json.dumps(mail()).encode()
    async with open_house(tmp_path) as house:
        host, _, port = house.addresses.http[0].rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            head = (
                f"POST {SEND} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                f"X-SubAccount-ApiKey: {house.key}\r\n\r\n"
            )
            await stream.send_all(head.encode() + body[:20])
            with trio.fail_after(SOON):  # until the server has begun with it
                while not (await house.http.get("/healthz")).is_success:
                    pass
            house.closing.set()
            await trio.testing.wait_all_tasks_blocked(0.05)
            await stream.send_all(body[20:])
            answer = b""
            while data := await stream.receive_some():
                answer += data
        assert answer.startswith(b"HTTP/1.1 200 ")
        (result,) = json.loads(answer.partition(b"\r\n\r\n")[2])
        folder = house.folder
    async with open_data(folder) as store:
        assert await store.read(get_message, UUID(result["messageId"]))


async def test_new_connections_are_refused_once_it_stops(tmp_path: Path) -> None:
    """Doors close first."""
    async with open_house(tmp_path) as house:
        house.closing.set()
        with trio.fail_after(SOON):
            while True:
                try:
                    async with httpx.AsyncClient(
                        trust_env=False, verify=NO_TLS
                    ) as client:
                        await client.get(f"{house.addresses.http_url}/healthz")
                except httpx.TransportError:
                    break


async def test_a_delivery_under_way_ends(tmp_path: Path) -> None:
    """The upstream's answer is waited for and recorded before the store closes."""
    held = trio.Event()
    upstream = FakeUpstream(Script({"DOT": (Hold(held), Say("250 2.0.0 Ok"))}))
    async with holding(tmp_path, upstream, "relay.drain_timeout=20s") as house:
        message = UUID((await house.send()).json()[0]["messageId"])
        await reaches(upstream, "DATA")
        house.closing.set()
        while house.folder.addresses.exists():
            await trio.lowlevel.checkpoint()
        held.set()
        folder = house.folder
    assert await standing(folder, message) is State.SENT


async def test_what_does_not_end_in_time_is_released(tmp_path: Path) -> None:
    """Nothing stays in flight: the next start sends it."""
    upstream = FakeUpstream(Script({"MAIL": Hold(trio.Event())}))
    async with holding(tmp_path, upstream, "relay.drain_timeout=50ms") as house:
        message = UUID((await house.send()).json()[0]["messageId"])
        await reaches(upstream, "MAIL")
        folder = house.folder
    assert await standing(folder, message) is State.QUEUED


async def reaches(upstream: FakeUpstream, verb: str) -> None:
    """Returns when the upstream was told ``verb``."""
    with trio.fail_after(SOON):
        while not any(verb in verbs for verbs in upstream.verbs):
            await trio.lowlevel.checkpoint()


async def standing(folder: DataFolder, message: UUID) -> State:
    """Where a delivery is, after the server."""
    async with open_data(folder) as store:
        (found,) = await store.read(get_message, message)
        return found.state


async def test_the_log_is_folded_into_the_database(tmp_path: Path) -> None:
    """After a clean stop the one file is all there is to copy."""
    async with open_house(tmp_path) as house:
        await house.sent()
        folder = house.folder
    for suffix in ("-wal", "-shm"):
        beside = folder.database.with_name(folder.database.name + suffix)
        assert not beside.exists() or beside.stat().st_size == 0


# --- systemd --------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
async def test_systemd_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    """sd_notify(3): READY=1 once doors are open, STOPPING=1 when they close."""
    name = f"\0postroom-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(SOON)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        async with open_house(tmp_path) as house:
            assert listener.recv(100) == b"READY=1"
            assert (await house.http.get("/readyz")).status_code == 200
        assert listener.recv(100) == b"STOPPING=1"


async def test_nobody_listening_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever started us has gone: we serve all the same."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nosuch"))
    async with open_house(tmp_path) as house:
        assert (await house.send()).status_code == 200


# --- the process ----------------------------------------------------------------


async def becomes(true: Callable[[], bool], what: str) -> None:
    """Returns when it is so."""
    await trio.to_thread.run_sync(wait_until, true, SOON, what)


class Process:
    """`postroom serve` as a real process; its words in a file."""

    def __init__(self, premises: Premises, log: Path) -> None:
        self.folder = premises.folder
        self.key = premises.made.keys["subAccountKey"]
        self.log = log
        self._process: trio.Process | None = None

    async def start(self, *overrides: str) -> None:
        """Returns when it serves."""
        sets = [word for one in overrides for word in ("--set", one)]
        doors = [word for pair in DOORS.items() for word in ("--set", "=".join(pair))]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("POSTROOM_")}
        with self.log.open("wb") as log:
            self._process = await trio.lowlevel.open_process(
                [
                    *program_words(),
                    *("serve", "--data", str(self.folder.root)),
                    *doors,
                    *sets,
                ],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=clean,
            )
        await becomes(self._serves, "serve to write its addresses")

    @property
    def process(self) -> trio.Process:
        """The one that was started."""
        assert self._process is not None
        return self._process

    async def ends(self) -> int:
        """Its exit status."""
        with trio.fail_after(SOON):
            return await self.process.wait()

    async def send(self) -> UUID:
        """Post one mail; its id."""
        http = json.loads(self.folder.addresses.read_text())["http"]
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
            answer = await client.post(
                f"http://{http}{SEND}",
                json=mail(),
                headers={"X-SubAccount-ApiKey": self.key},
            )
        return UUID(answer.json()[0]["messageId"])

    def _serves(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.folder.addresses.exists()

    def end(self) -> None:
        """Leave nothing running behind a test."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()


@asynccontextmanager
async def process(premises: Premises, log: Path) -> AsyncIterator[Process]:
    """One that does not outlive the block."""
    one = Process(premises, log)
    try:
        yield one
    finally:
        one.end()


async def test_the_second_signal_stops_at_once(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """The first waits for what is under way, the second for nothing."""
    upstream = FakeUpstream(Script({"MAIL": Hold(trio.Event())}))
    port = await upstream.start(nursery)
    premises = await furnish(tmp_path, lambda tx, _: lead_to(tx, port))
    async with process(premises, tmp_path / "log") as server:
        await server.start("relay.drain_timeout=10m")
        message = await server.send()
        await reaches(upstream, "MAIL")
        server.process.send_signal(signal.SIGTERM)
        await becomes(lambda: not server.folder.addresses.exists(), "the doors")
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        await server.ends()
    assert "Traceback" not in server.log.read_text()
    assert run_folder(premises.folder) == {"lock"}
    nursery.cancel_scope.cancel()
    assert await standing(premises.folder, message) in (State.QUEUED, State.IN_FLIGHT)


async def test_a_signal_ends_it_in_order(tmp_path: Path) -> None:
    """Ctrl-C: status 0 and nothing but the lock left.

    SIGTERM does the same: tests/cli/test_serve.py.
    """
    premises = await furnish(tmp_path)
    async with process(premises, tmp_path / "log") as server:
        await server.start()
        server.process.send_signal(signal.SIGINT)
        assert await server.ends() == 0
    assert "Traceback" not in server.log.read_text()
    assert run_folder(premises.folder) == {"lock"}


async def test_a_bug_in_a_loop_ends_the_process(tmp_path: Path) -> None:
    """Not zero, so that it is started again; the reason is in the log."""
    premises = await furnish(tmp_path)
    async with process(premises, tmp_path / "log") as server:
        await server.start()
        with sqlite3.connect(premises.folder.database) as other:
            other.execute("ALTER TABLE pool RENAME TO gone")
            other.execute("UPDATE meta SET configuration = configuration + 1")
        other.close()
        assert await server.ends() != 0
    assert "no such table" in server.log.read_text()
    assert run_folder(premises.folder) == {"lock"}


async def test_a_stop_right_behind_a_mail_leaves_nothing_in_flight(
    tmp_path: Path,
) -> None:
    """What was claimed and not yet handed over goes back, and nobody waits for it."""
    many = [{"email": f"r{number}@x.example"} for number in range(3)]
    with trio.fail_after(30):  # the drain would take an hour
        for name in "abc":
            premises = await furnish(tmp_path / name)
            async with running(premises, "relay.drain_timeout=1h") as house:
                assert (await house.send(mail(to=many))).status_code == 200
            async with open_data(premises.folder) as store:
                counts = await store.read(counts_by_state)
                ended = await store.read(list_recent, 9)
            assert counts[State.IN_FLIGHT] == 0
            settled = sum(one.state is State.SENT for one in ended)
            assert settled + counts[State.QUEUED] == len(many)


async def test_a_sandbox_on_a_full_disk_waits_and_goes_on(tmp_path: Path) -> None:
    """ATTACKS 26: capturing is no reason to end the process."""
    async with open_house(tmp_path) as house:
        await house.limit_pages(20)
        answers = [await house.send(mail(textBody="x" * 4000)) for _ in range(50)]
        assert answers[-1].status_code == 503
        await house.limit_pages(10_000)
        assert (await house.send()).status_code == 200
