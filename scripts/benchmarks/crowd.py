"""Sessions that are in the way: thousands that idle, and one that dawdles."""

import resource
import smtplib
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from scripts.benchmarks.submitters import USER
from scripts.benchmarks.tools import SENDER, BenchError

_PATIENCE_S = 30
_SPARE_FILES = 200
_PAUSE_S = 1.0
_OK, _GO_ON = 250, 354


def open_session(port: int, password: str) -> smtplib.SMTP:
    """A session under TLS that has logged in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # self-signed, on loopback
    session = smtplib.SMTP("127.0.0.1", port, "crowd.example", _PATIENCE_S)
    session.starttls(context=context)
    session.login(USER, password)
    return session


def allow_files(number: int) -> None:
    """Let this process, and those it starts, have as many sessions open.

    Raises:
        BenchError: the system does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{wanted} open files are needed, ulimit -Hn says {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


class Crowd:
    """Idle sessions, all logged in; each is asked at the end if it still lives."""

    def __init__(self, port: int, password: str) -> None:
        self._port = port
        self._password = password
        self._sessions: list[smtplib.SMTP] = []

    def grow(self, number: int) -> None:
        """Open as many more."""
        for _ in range(number):
            self._sessions.append(open_session(self._port, self._password))

    def lost(self) -> int:
        """How many do not answer any more."""
        return sum(1 for one in self._sessions if not _answers(one))

    def disperse(self) -> None:
        """End all."""
        for one in self._sessions:
            with suppress(OSError, smtplib.SMTPException):
                one.quit()
        self._sessions.clear()


def _answers(session: smtplib.SMTP) -> bool:
    try:
        return session.noop()[0] == _OK
    except (OSError, smtplib.SMTPException):
        return False


class Dawdler:
    """A session that sends the content of its mail, one byte a second.

    When it is cut off it comes again.
    """

    def __init__(self, port: int, password: str) -> None:
        self._port = port
        self._password = password
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._dawdle, daemon=True)
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_PATIENCE_S):
            raise BenchError("the slow session was not let in")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _dawdle(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, smtplib.SMTPException):
                self._one_session()
            self._over.wait(_PAUSE_S)

    def _one_session(self) -> None:
        session = open_session(self._port, self._password)
        session.mail(SENDER)
        session.rcpt("slow@rcpt.example")
        code, _ = session.docmd("DATA")
        assert session.sock is not None
        while code == _GO_ON and not self._over.is_set():
            session.sock.sendall(b"x")
            self.sent += 1
            self._ready.set()
            self._over.wait(_PAUSE_S)
        session.close()
