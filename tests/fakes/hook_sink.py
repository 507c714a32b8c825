"""A receiver of webhooks that only counts, in a process of its own, over TLS.

Its counts and its port are in a file as JSON, renewed five times a second. An event is
known by its ``eventId``, so what comes twice counts once.
"""

import asyncio
import contextlib
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.certificates import Authority
from tests.fakes.programs import end, wait_until

_ROOT = Path(__file__).parents[2]
_ID = re.compile(rb'"eventId":"([0-9a-f-]{36})"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_RENEW_S = 0.2


class Counts:
    """What the receiver has counted."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://localhost:{self.read()['port']}/"

    @property
    def unique(self) -> int:
        """How many different events it was told."""
        return self.read()["unique"]

    def read(self) -> dict[str, int]:
        """All of it."""
        found: dict[str, int] = json.loads(self._file.read_text())
        return found


@contextlib.contextmanager
def counting(authority: Authority, folder: Path) -> Iterator[Counts]:
    """The receiver, with a certificate for localhost, until the end."""
    authority.server_context("localhost")
    (certificate,) = folder.glob("server-*.pem")
    file = folder / "counts.json"
    words = ["-m", "tests.fakes.hook_sink", str(certificate), str(file)]
    process = subprocess.Popen([sys.executable, *words], cwd=_ROOT)
    try:
        wait_until(file.exists, 10, "the receiver")
        yield Counts(file)
    finally:
        end(process)


class Counter(asyncio.Protocol):
    """One connection; all share the counts."""

    requests = 0
    connections = 0
    seen: set[bytes] = set()  # noqa: RUF012 - the process's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""
        Counter.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) > 0:
            length = _LENGTH.search(self._data, 0, end)
            assert length is not None
            whole = end + 4 + int(length[1])
            if len(self._data) < whole:
                return
            found = _ID.search(self._data, end, whole)
            if found is not None:
                Counter.seen.add(found[1])
            Counter.requests += 1
            self._data = self._data[whole:]
            self._transport.write(_ANSWER)


async def main(certificate: Path, file: Path) -> None:
    """Serve until the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Counter, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    while True:
        facts = {
            "port": port,
            "requests": Counter.requests,
            "unique": len(Counter.seen),
            "connections": Counter.connections,
        }
        part = file.with_suffix(".part")
        part.write_text(json.dumps(facts))
        part.rename(file)
        await asyncio.sleep(_RENEW_S)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
