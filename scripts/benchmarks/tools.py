"""The sink and the load generators, compiled on the spot or from Debian's Postfix."""

import itertools
import json
import mmap
import struct
import subprocess
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.programs import end, program, wait_until

DOMAIN = "bench.example"
SENDER = f"orders@{DOMAIN}"

_HERE = Path(__file__).parent
_SIZE = 5120
_LINKS = 8
_COLUMNS = 64
_COUNTERS = 16  # bytes of the file that smtpsink counts in
_PROSE = (
    "your order has shipped and will arrive soon please check the status of the"
    " parcel with the link below thank you for being our customer"
)


class BenchError(Exception):
    """A measurement cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much, and over how many connections at a time."""

    mails: int
    connections: int


def compile_tool(name: str, folder: Path, *libraries: str) -> Path:
    """The program made of one C file beside this one.

    Raises:
        BenchError: it does not compile.
    """
    compiler = program("cc")
    assert compiler is not None
    made, source = folder / name, _HERE / f"{name}.c"
    links = [f"-l{one}" for one in ("pthread", *libraries)]
    words = [compiler, "-O2", "-o", str(made), str(source), *links]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{name}.c: {done.stderr}")
    return made


class Sink:
    """A running smtpsink, at a free port unless told which."""

    def __init__(self, tool: Path, folder: Path, port: int = 0) -> None:
        file = folder / "sink.counter"
        file.unlink(missing_ok=True)  # what an earlier one has counted
        self._process = subprocess.Popen([tool, file, str(port)])
        wait_until(
            lambda: file.exists() and file.stat().st_size == _COUNTERS, 5, "the sink"
        )
        with file.open("r+b") as opened:
            self._words = mmap.mmap(opened.fileno(), _COUNTERS)
        wait_until(lambda: self._read(0) > 0, 5, "the sink's port")
        self.port = self._read(0)

    def taken(self) -> int:
        """How many mails it has taken so far."""
        return self._read(1)

    def wait_for(self, number: int, seconds: float) -> float:
        """The moment (perf_counter) at which it had taken ``number`` in all.

        Raises:
            BenchError: that did not come.
        """
        over = time.perf_counter() + seconds
        while self.taken() < number:
            if time.perf_counter() > over:
                raise BenchError(f"{number - self.taken()} mails did not arrive")
            time.sleep(0.003)
        return time.perf_counter()

    def close(self) -> None:
        """End it."""
        end(self._process)

    def _read(self, index: int) -> int:
        (word,) = struct.unpack_from("<q", self._words, 8 * index)
        return int(word)


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail that every contender sends: 5 KB, text and HTML with links."""

    subject: str
    text: str
    html: str

    def as_file(self) -> bytes:
        """The whole message, as smtp-source wants it."""
        part = "--=_b\nContent-Type: {}; charset=utf-8\n\n{}\n"
        return (
            "From: Shop <orders@bench.example>\nTo: Customer <user@rcpt.example>\n"
            f"Subject: {self.subject}\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n"
            "MIME-Version: 1.0\n"
            'Content-Type: multipart/alternative; boundary="=_b"\n\n'
            + part.format("text/plain", self.text)
            + part.format("text/html", self.html)
            + "--=_b--\n"
        ).encode("ascii")

    def as_request(self, port: int, key: str, pool: str) -> bytes:
        """The whole HTTP request; # stand for the number of the request."""
        body = json.dumps(
            {
                "from": {"email": "orders@bench.example", "name": "Shop"},
                "to": [{"email": "########.user@rcpt.example", "name": "Customer"}],
                "subject": self.subject,
                "textBody": self.text,
                "htmlBody": self.html,
                "ippool": pool,
                "trackOpens": True,
                "trackClicks": True,
            }
        )
        return (
            "POST /api/v1/subaccount/email/ HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\nX-SubAccount-ApiKey: {key}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode("ascii")


def the_mail() -> Mail:
    """The same on every machine."""
    words = itertools.cycle(_PROSE.split())

    def prose(length: int) -> str:
        text = ""
        while len(text) < length:
            text += next(words) + " "
        return "\n".join(textwrap.wrap(text, _COLUMNS))

    text = prose(_SIZE // 5)
    room = _SIZE - len(text) - 520
    link = (
        '<a href="https://www.bench.example/item/{n}?ref=mail&amp;c=4711">see {n}</a>'
    )
    each = room // _LINKS - len(link) - 10
    items = (f"<p>{prose(each)}\n{link.format(n=n)}</p>\n" for n in range(_LINKS))
    html = "<html><body>\n" + "".join(items) + "</body></html>\n"
    return Mail("Your order 4711 has shipped", text, html)


@dataclass(frozen=True, slots=True)
class Served:
    """How requests were answered: in all, and one by one."""

    seconds: float
    p50_ms: float
    p99_ms: float


def http_served(tool: Path, port: int, load: Load, file: Path) -> Served:
    """How the requests went; each had its 200.

    Raises:
        BenchError: one had not.
    """
    numbers = (port, load.connections, load.mails)
    words = [str(tool), *map(str, numbers), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"httpload: {done.stdout}{done.stderr}")
    facts = json.loads(done.stdout)
    return Served(facts["wall_s"], facts["p50_ms"], facts["p99_ms"])


def smtp_load(port: int, sessions: int, mails: int, file: Path) -> float:
    """The seconds until every mail had its 250; sessions are kept open.

    Raises:
        BenchError: one had not.
    """
    tool = program("smtp-source")
    assert tool is not None
    words = f"-4 -d -N -s {sessions} -m {mails} -f {SENDER}".split()
    words += ["-t", "user@rcpt.example", "-F", str(file), f"127.0.0.1:{port}"]
    start = time.perf_counter()
    done = subprocess.run([tool, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"smtp-source: {done.stderr}")
    return time.perf_counter() - start
