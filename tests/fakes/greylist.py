"""A greylisting policy service, as Postfix asks one (SMTPD_POLICY_README).

Who comes for the first time, from that sender to that recipient, is told to come
again; after the pause that is the end of it.
"""

import socketserver
import threading
import time
from types import TracebackType
from typing import Self

_WAIT = "defer_if_permit 4.2.0 Greylisted, please try again later"


class Greylist:
    """A policy server on a free loopback port, in a thread of its own."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._seen: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()
        self.put_off = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def judge(self, sender: str, recipient: str) -> str:
        """The action for this pair."""
        now = time.monotonic()
        with self._lock:
            first = self._seen.setdefault((sender, recipient), now)
            if now - first >= self._pause_s:
                return "dunno"
            self.put_off += 1
            return _WAIT


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, greylist: Greylist) -> None:
        self.greylist = greylist
        super().__init__(("127.0.0.1", 0), _Session)


class _Session(socketserver.StreamRequestHandler):
    """Requests of one smtpd process: attributes, an empty line, an answer."""

    server: _Server

    def handle(self) -> None:
        """Answer until the process has no more questions."""
        facts: dict[str, str] = {}
        for line in self.rfile:
            name, equals, value = line.decode("utf-8", "replace").strip().partition("=")
            if equals:
                facts[name] = value
                continue
            action = self.server.greylist.judge(
                facts.get("sender", ""), facts.get("recipient", "")
            )
            self.wfile.write(f"action={action}\n\n".encode())
            facts = {}
