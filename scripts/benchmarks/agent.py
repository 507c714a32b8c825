"""The log agent: lines a second on one core, memory, and every event of a great log.

The log is made up, but written line by line as Postfix writes it, with mail that is
put off, bounced, given up, or goes through a content filter, and mail of others. The
endpoint is here and knows what has to come: what is missing, wrong or too much counts.
"""

import gzip
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from scripts.benchmarks.report import Bound, say
from scripts.benchmarks.tools import BenchError

LINES_BOUND = 50_000  # a second of CPU
MEMORY_BOUND = 40  # MB
FULL_BYTES = 1 << 30
QUICK_BYTES = 100 << 20

_HEX = "019a%08x700080000000%08x"
_IN = (
    "{t} postfix/smtpd[811]: connect from localhost[127.0.0.1]\n"
    "{t} postfix/smtpd[811]: {q}: client=localhost[127.0.0.1]\n"
    "{t} postfix/cleanup[812]: {q}: info: header X-Sendpost-Message-UUID: {u} from"
    " localhost[127.0.0.1]; from=<bounces+{u}+1@sp-bounce.example.com>"
    " to=<user{n}@example.org> proto=ESMTP helo=<postroom.example.com>\n"
    "{t} postfix/cleanup[812]: {q}: message-id=<{u}@example.com>\n"
    "{t} postfix/qmgr[801]: {q}: from=<bounces+{u}+1@sp-bounce.example.com>,"
    " size=5321, nrcpt=1 (queue active)\n"
    "{t} postfix/smtpd[811]: disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=1"
    " data=1 quit=1 commands=5\n"
)
_TRY = (
    "{t} postfix/smtp[814]: {q}: to=<user{n}@example.org>,"
    " relay=mx{m}.example.org[192.0.2.7]:25, delay=1.2, delays=0.1/0.01/0.5/0.6, dsn="
)
_SENT = _TRY + "2.0.0, status=sent (250 2.0.0 Ok: queued as 4cXyZ{n})\n"
_BOUNCED = _TRY + (
    "5.1.1, status=bounced (host mx{m}.example.org[192.0.2.7] said: 550 5.1.1"
    " <user{n}@example.org>: Recipient address rejected: User unknown in relay"
    " recipient table (in reply to RCPT TO command))\n"
)
_DEFERRED = _TRY + (
    "4.2.0, status=deferred (host mx{m}.example.org[192.0.2.7] said: 450 4.2.0"
    " <user{n}@example.org>: Greylisted (in reply to RCPT TO command))\n"
)
_EXPIRED = (
    "{t} postfix/qmgr[801]: {q}: from=<bounces+{u}+1@sp-bounce.example.com>,"
    " status=expired, returned to sender\n"
)
_FILTERED = (
    "{t} postfix/cleanup[822]: {q}F: message-id=<{u}@example.com>\n"
    "{t} postfix/smtp[815]: {q}: to=<user{n}@example.org>,"
    " relay=127.0.0.1[127.0.0.1]:10024, delay=0.2, delays=0.1/0/0/0.1, dsn=2.0.0,"
    " status=sent (250 2.0.0 Ok: queued as {q}F)\n"
    "{t} postfix/qmgr[801]: {q}: removed\n"
    "{t} postfix/smtp[814]: {q}F: to=<user{n}@example.org>,"
    " relay=mx{m}.example.org[192.0.2.7]:25, delay=1.2, delays=0.1/0.01/0.5/0.6,"
    " dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
    "{t} postfix/qmgr[801]: {q}F: removed\n"
)
_REMOVED = "{t} postfix/qmgr[801]: {q}: removed\n"
_OTHER = (
    "{t} postfix/smtpd[811]: {q}: client=unknown[192.0.2.99]\n"
    "{t} postfix/cleanup[812]: {q}: info: header Subject: postfix/smtp[1]: {q}:"
    " to=<user{n}@example.org>, relay=x, dsn=5.1.1, status=bounced (x) from x\n"
    "{t} postfix/cleanup[812]: {q}: message-id=<{n}@elsewhere.example>\n"
    "{t} postfix/qmgr[801]: {q}: from=<x@elsewhere.example>, size=9, nrcpt=1 (queue"
    " active)\n" + _BOUNCED + _REMOVED
)
# What a mail's lines are, by the last digit of its number, and what has to come of it.
_WALKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (_IN + _BOUNCED + _REMOVED, ("bounced",)),
    (_IN + _DEFERRED + _SENT + _REMOVED, ("deferred", "delivered")),
    (_IN + _DEFERRED + _EXPIRED + _REMOVED, ("deferred", "soft_bounced")),
    (_IN + _FILTERED, ("delivered",)),
    (_OTHER, ()),
    *[(_IN + _SENT + _REMOVED, ("delivered",))] * 5,
)


@dataclass(frozen=True, slots=True)
class _Log:
    """The log that was written."""

    mails: int
    lines: int


@dataclass(frozen=True, slots=True)
class _Spent:
    """What the agent took for it."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def _mails(size: int) -> Iterator[str]:
    """The lines of one mail after the other, until there are so many bytes."""
    written = number = 0
    while written < size:
        digits = _HEX % (number, number)
        uuid = "-".join(
            (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        )
        second = number // 500
        clock = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        text = _WALKS[number % 10][0].format(
            t=f"Nov 25 {clock} mx", q=f"{0xA0000000 + number:X}", u=uuid, n=number, m=3
        )
        written += len(text)
        number += 1
        yield text


def _write(path: Path, size: int) -> _Log:
    mails = lines = 0
    with path.open("w", encoding="ascii") as file:
        for text in _mails(size):
            file.write(text)
            mails += 1
            lines += text.count("\n")
    return _Log(mails, lines)


class _Sink(ThreadingHTTPServer):
    """Takes events and remembers how many of a mail's have come as they had to."""

    daemon_threads = True

    def __init__(self, mails: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came = bytearray(mails)
        self.wrong = 0

    def take(self, event: dict[str, object]) -> None:
        """One event; it has to be the next one of its mail."""
        number = int(str(event["message_id"])[-8:], 16)
        expected = _WALKS[number % 10][1]
        came = self.came[number]
        if came < len(expected) and event["event_type"] == expected[came]:
            self.came[number] += 1
        else:
            self.wrong += 1

    def missing(self) -> int:
        """How many events have not come."""
        owed = [len(events) for _, events in _WALKS]
        return sum(owed[number % 10] - came for number, came in enumerate(self.came))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Sink

    def do_POST(self) -> None:
        """Take a batch."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        events = json.loads(body)["events"]
        for event in events:
            self.server.take(event)
        answer = b'{"accepted":%d,"rejected":0,"errors":[]}' % len(events)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


def measure_agent(program: str, *, quick: bool) -> tuple[list[Bound], object]:
    """The promises about the agent, and the figures.

    Raises:
        BenchError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder = Path(name)
        say("agent: writing a log")
        log = _write(folder / "mail.log", QUICK_BYTES if quick else FULL_BYTES)
        with _Sink(log.mails) as sink:
            thread = threading.Thread(target=sink.serve_forever, args=(0.1,))
            thread.start()
            try:
                spent = _read(program, folder, sink.server_port)
            finally:
                sink.shutdown()
                thread.join()
        rate = log.lines / spent.cpu_s
        faults = sink.wrong + sink.missing()
        say(
            f"agent: {log.lines} lines, {sum(sink.came)} events, {faults} faults,"
            f" {spent.cpu_s:.1f} s of CPU in {spent.wall_s:.1f} s"
        )
    bounds = [
        Bound("agent: lines a second of CPU", rate, "lines", LINES_BOUND, True),
        Bound("agent: peak memory", spent.peak_mb, "MB", MEMORY_BOUND, False),
        Bound("agent: wrong or missing events", faults, "events", 1, False),
    ]
    return bounds, {"lines": log.lines, "mails": log.mails, **asdict(spent)}


def _read(program: str, folder: Path, port: int) -> _Spent:
    """One pass of the agent over the whole log, measured.

    Raises:
        BenchError: it failed.
    """
    options = folder / "config.yaml"
    options.write_text(
        f"api-key: k\nendpoint: http://127.0.0.1:{port}/events\n"
        f"log-path: {folder}/mail.log\nstate-path: {folder}/state\nhealth:\n",
        encoding="ascii",
    )
    started_s = time.monotonic()
    words = [program, "agent", "--config", str(options), "--once"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        peak_kb = 0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            time.sleep(0.05)
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"the agent ended with {process.returncode}")
    cpu_s = used.ru_utime + used.ru_stime
    return _Spent(cpu_s, time.monotonic() - started_s, peak_kb / 1024)


def _peak_kb(pid: int) -> int:
    """The most that it has occupied; 0 once it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
