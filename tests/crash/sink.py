"""An upstream in threads that remembers what it took before it says so.

It is good and it is not: now and then it takes a mail and hangs up without a word,
hangs up in the middle of pipelined envelopes, or asks to be tried later. What counts
is written down when the final dot has come, before any answer leaves.
"""

import random
import socket
import socketserver
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, cast

KEYWORDS = (b"250-sink", b"250-PIPELINING", b"250-8BITMIME", b"250 SMTPUTF8")
UUID_FIELD = b"x-sendpost-message-uuid:"


@dataclass(frozen=True, slots=True)
class Moods:
    """How often, of a thousand, it does what an upstream should not."""

    silent_takes: int = 0  # takes the mail, and hangs up instead of answering
    hang_ups: int = 0  # hangs up at a command
    deferrals: int = 0  # 451 to the final dot


class Sink:
    """The server; a context manager that serves meanwhile."""

    def __init__(self, moods: Moods | None = None, seed: int = 0) -> None:
        self.moods = moods or Moods()
        self.taken: Counter[str] = Counter()  # by the delivery's UUID
        self.recipients: dict[str, str] = {}
        self.answered: Counter[str] = Counter()  # those whose 250 was handed over
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server(self, 0)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()

    def vanish(self) -> None:
        """Hang up on everybody and listen no more."""
        self._server.end()

    def come_back(self) -> None:
        """Listen again at the same port."""
        self._server = _Server(self, self.port)
        self._server.start()

    def happens(self, of_thousand: int) -> bool:
        """True so many times of a thousand."""
        with self._lock:
            return self._random.randrange(1000) < of_thousand

    def take(self, recipient: str, content: bytes) -> str:
        """Write down that a mail came to its end; returns its UUID."""
        head = content.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
        uuid = next(
            line.partition(b":")[2].strip().decode()
            for line in head
            if line.startswith(UUID_FIELD)
        )
        with self._lock:
            self.taken[uuid] += 1
            self.recipients[uuid] = recipient
        return uuid

    def answer(self, uuid: str) -> None:
        """Write down that its 2xx was handed to the network."""
        with self._lock:
            self.answered[uuid] += 1


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, sink: Sink, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.sink = sink
        self._sessions: set[socket.socket] = set()

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for session in list(self._sessions):
            with suppress(OSError):
                session.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sessions.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._sessions.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """A client that was killed is none."""


class _Session(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.sink = cast("_Server", self.server).sink
        self.recipient = ""
        self._say(b"220 sink ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self._say(b"\r\n".join(KEYWORDS))
            elif verb == b"QUIT" or self.sink.happens(self.sink.moods.hang_ups):
                return
            elif verb == b"DATA":
                self._say(b"354 go on")
                if not self._content():
                    return
            else:
                if verb == b"RCPT":
                    self.recipient = line[9:].partition(b">")[0].decode()
                self._say(b"250 2.0.0 ok")

    def _content(self) -> bool:
        """Read one message; False ends the session."""
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False  # no dot: no message
            lines.append(line)
        moods = self.sink.moods
        if self.sink.happens(moods.deferrals):
            self._say(b"451 4.3.0 try later")
            return True
        uuid = self.sink.take(self.recipient, b"".join(lines))
        if self.sink.happens(moods.silent_takes):
            return False
        self._say(b"250 2.0.0 taken")
        self.sink.answer(uuid)
        return True

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")
