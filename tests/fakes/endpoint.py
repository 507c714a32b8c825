"""A real HTTP server in a thread that takes events and keeps them."""

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "event-key"


class Endpoint(ThreadingHTTPServer):
    """Where an agent posts; ``status`` is what it answers from now on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.retry_after = ""
        self.rejected = 0
        self.posts: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        """What an agent is told."""
        return f"http://127.0.0.1:{self.server_port}/api/events"

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events that were answered with success, in order."""
        return [event for post in self.posts for event in post["events"]]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Whose and what, for each of the events."""
        return [(one["message_id"], one["event_type"]) for one in self.events]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Endpoint

    def do_POST(self) -> None:
        """Take what is posted."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.headers.append(dict(self.headers))
        status = self.server.status
        if status == 200:
            self.server.posts.append(json.loads(body))
        errors = [{"index": 0, "message_id": "", "error": "unknown"}]
        answer = {"rejected": self.server.rejected, "errors": errors}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def endpoint() -> Iterator[Endpoint]:
    """One for the time of the block."""
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
