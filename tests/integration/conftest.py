"""Real servers, private to each test; a missing one skips the test by its name.

With POSTROOM_REQUIRE_INTEGRATION=1 it fails the test instead. The context managers
behind the fixtures are for a file whose tests share what takes long to start.
"""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, Protocol, TypeAlias

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.dns_server import NsdServer
from tests.fakes.journal import JOURNALD, Journal
from tests.fakes.postfix import LOOPBACK, MAILDIRS, PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import package_of, program
from tests.integration.clients import NODE_PATH
from tests.integration.doors import furnish_for_smtp
from tests.integration.verifiers import Verifiers

TMPFS_MB = 24
_MANY_FILES = 10_500
_COUNTS = pytest.StashKey[list[str]]()
Tell: TypeAlias = Callable[[str], None]


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Takes a line with the counts of a test, shown at the end of the run."""
    lines = request.config.stash.setdefault(_COUNTS, [])
    return lambda line: lines.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests counted."""
    lines = terminalreporter.config.stash.get(_COUNTS, [])
    if lines:
        terminalreporter.section("counts")
        for line in lines:
            terminalreporter.write_line(line)


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("POSTROOM_REQUIRE_INTEGRATION") == "1":
        pytest.fail(f"{reason}, and POSTROOM_REQUIRE_INTEGRATION=1")
    pytest.skip(reason)


def _need(*names: str) -> None:
    missing = [name for name in names if program(name) is None]
    if missing:
        packages = " ".join(package_of(name) for name in missing)
        _unavailable(f"not installed: {packages}")


def _need_root(what: str) -> None:
    if os.geteuid() != 0:
        _unavailable(f"{what} needs root")


@pytest.fixture
def many_files() -> Iterator[None]:
    """The test, and the servers that it starts, may have ten thousand files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _MANY_FILES:
        _unavailable(f"{_MANY_FILES} open files are needed, ulimit -Hn says {hard}")
    if soft != resource.RLIM_INFINITY and soft < _MANY_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_MANY_FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Need(Protocol):
    """Skips the test, or fails it, unless these programs are installed."""

    def __call__(self, *names: str) -> None:
        """Return if all are there."""
        ...


@pytest.fixture
def need() -> Need:
    """Skips the test, or fails it, unless these programs are installed."""
    return _need


NeedNodemailer: TypeAlias = Callable[[], None]


@pytest.fixture
def need_nodemailer() -> NeedNodemailer:
    """Skips the test, or fails it, unless Node.js finds Nodemailer."""

    def check() -> None:
        _need("node")
        words = ["node", "-e", "require('nodemailer')"]
        environment = {**os.environ, **NODE_PATH}
        if subprocess.run(
            words, env=environment, capture_output=True, check=False
        ).returncode:
            _unavailable("not installed: node-nodemailer")

    return check


NeedJournal: TypeAlias = Callable[[], Journal]


@pytest.fixture
def need_journal(tmp_path: Path) -> Iterator[NeedJournal]:
    """Starts a journald of the test's own, or skips the test, or fails it."""
    running: list[Journal] = []

    def start() -> Journal:
        _need("journalctl", "setpriv")
        if not JOURNALD.exists():
            _unavailable("not installed: systemd")
        _need_root("a private journal")
        running.append(Journal(tmp_path))
        return running[-1]

    yield start
    for journal in running:
        journal.close()


class StartPostfix(Protocol):
    """Starts one more Postfix for this test."""

    def __call__(
        self,
        certificate: Path | None = None,
        settings: Mapping[str, str] = MAILDIRS,
        tables: Mapping[str, str] = MappingProxyType({}),
        address: str = LOOPBACK,
    ) -> PostfixServer:
        """The running server; with a certificate it offers STARTTLS."""
        ...


@contextmanager
def postfix_servers() -> Iterator[StartPostfix]:
    """Starts as many Postfix servers as are asked for, and ends them."""
    _need("postfix")
    _need_root("a private Postfix")
    running: list[PostfixServer] = []

    def start(
        certificate: Path | None = None,
        settings: Mapping[str, str] = MAILDIRS,
        tables: Mapping[str, str] = MappingProxyType({}),
        address: str = LOOPBACK,
    ) -> PostfixServer:
        running.append(PostfixServer(settings, certificate, tables, address))
        return running[-1]

    try:
        yield start
    finally:
        for server in running:
            server.close()


@pytest.fixture
def start_postfix() -> Iterator[StartPostfix]:
    """Starts as many Postfix servers as the test asks for."""
    with postfix_servers() as start:
        yield start


@pytest.fixture
def postfix(start_postfix: StartPostfix) -> PostfixServer:
    """One running Postfix."""
    return start_postfix()


@contextmanager
def name_server(folder: Path) -> Iterator[NsdServer]:
    """A DNS server with a port, answering once it has zones."""
    _need("nsd", "nsd-checkzone")
    own = folder / "nsd"
    own.mkdir()
    server = NsdServer(own)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def nsd(tmp_path: Path) -> Iterator[NsdServer]:
    """A DNS server with a port, answering once it has zones."""
    with name_server(tmp_path) as server:
        yield server


def make_verifiers(folder: Path, nsd: NsdServer) -> Verifiers:
    """OpenDKIM, Mail::DKIM and dkimpy, with the keys that `nsd` serves."""
    _need("opendkim", "perl")
    perl = ["perl", "-MMail::DKIM::Verifier", "-e", "1"]
    if subprocess.run(perl, capture_output=True, check=False).returncode:
        _unavailable("not installed: libmail-dkim-perl")
    own = folder / "verifiers"
    own.mkdir()
    return Verifiers(own, nsd)


@pytest.fixture
def verifiers(tmp_path: Path, nsd: NsdServer) -> Verifiers:
    """OpenDKIM, Mail::DKIM and dkimpy, with the keys that `nsd` serves."""
    return make_verifiers(tmp_path, nsd)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Certificates for servers, and the file that vouches for them."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Authority(folder)


class MakePostroom(Protocol):
    """Makes one more Postroom for this test."""

    def __call__(
        self,
        settings: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> Postroom:
        """An initialised data folder; nothing is serving yet."""
        ...


@contextmanager
def postrooms(place: Path) -> Iterator[MakePostroom]:
    """Makes Postrooms, ends them, and holds that none of them ever crashed."""
    made: list[Postroom] = []

    def make(
        settings: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> Postroom:
        where = folder or place / f"postroom{len(made)}"
        where.mkdir(exist_ok=True)
        one = Postroom(where, settings, environment)
        made.append(one)
        one.init()
        return one

    try:
        yield make
    finally:
        for one in made:
            one.close()
    for one in made:
        assert not one.troubles(), one.troubles()[0]


@pytest.fixture
def make_postroom(tmp_path: Path) -> Iterator[MakePostroom]:
    """Makes Postrooms, ends them, and holds that none of them ever crashed."""
    with postrooms(tmp_path) as make:
        yield make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes; to be asked for first, so that it ends last."""
    _need_root("mounting a small file system")
    mount, umount = program("mount"), program("umount")
    assert mount is not None
    assert umount is not None
    place = tmp_path / "small"
    place.mkdir()
    words = ["-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "tmpfs", str(place)]
    done = subprocess.run([mount, *words], capture_output=True, check=False)
    if done.returncode:
        # A container without the right to mount: nothing to install would help.
        pytest.skip(f"mount is not permitted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run([umount, str(place)], check=True)


@pytest.fixture
def postroom(make_postroom: MakePostroom, postfix: PostfixServer) -> Postroom:
    """A serving one; a trusted domain, and that Postfix behind the default pool."""
    one = make_postroom()
    furnish_for_smtp(one, postfix)
    one.start()
    return one
