"""Many readers of the websocket in one process; prints what they saw as JSON.

    python -m scripts.benchmarks.live_readers HOST:PORT KEY READERS SECONDS

All want the same, so all are sent the same bytes: the first keeps them, the others
count them, and when an event was there is worked out at the end.
"""

import json
import resource
import select
import socket
import struct
import sys
import time
from bisect import bisect_left
from datetime import datetime

_READ = 1 << 15
_SHORT, _LONG = 126, 127  # RFC 6455 5.2: lengths that say how long the length is


class Reader:
    """One subscription: how many bytes were there, and when."""

    def __init__(self, address: str, key: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.times: list[float] = []
        self.totals: list[int] = []
        self._total = 0
        self.socket.sendall(
            f"GET /postroom/v1/live HTTP/1.1\r\nHost: {address}\r\n"
            f"Authorization: Bearer {key}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(1)
        if b" 101 " not in answer:
            raise SystemExit(answer.decode())

    def read(self) -> bytes:
        """Take what there is."""
        data = self.socket.recv(_READ)
        self._total += len(data)
        self.times.append(time.time())
        self.totals.append(self._total)
        return data

    def moment(self, end: int) -> float | None:
        """When the bytes up to there had come."""
        place = bisect_left(self.totals, end)
        return self.times[place] if place < len(self.totals) else None


def events(stream: bytes) -> list[tuple[int, float]]:
    """Where each event ends, and when it happened."""
    found, at = [], 0
    while at + 2 <= len(stream):
        size, head = stream[at + 1], 2
        if size == _SHORT:
            (size,), head = struct.unpack_from("!H", stream, at + 2), 4
        elif size == _LONG:
            (size,), head = struct.unpack_from("!Q", stream, at + 2), 10
        end = at + head + size
        if end > len(stream):
            break
        told = json.loads(stream[at + head : end])
        found.append((end, datetime.fromisoformat(told["at"]).timestamp()))
        at = end
    return found


def main() -> None:
    """Subscribe, say so, read for a while, and tell."""
    address, key, number, seconds = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    poll = select.epoll()
    readers: dict[int, Reader] = {}
    for _ in range(int(number)):
        made = Reader(address, key)
        readers[made.socket.fileno()] = made
        poll.register(made.socket, select.EPOLLIN)
    print("ready", flush=True)
    first = next(iter(readers.values()))
    stream = bytearray()
    over = time.time() + float(seconds)
    while time.time() < over:
        for file, _ in poll.poll(0.1, 256):
            data = readers[file].read()
            if not data:
                raise SystemExit("a reader was cut")
            if readers[file] is first:
                stream += data
    firsts, waits, missing = [], [], 0
    for end, at in events(bytes(stream)):
        moments = [one.moment(end) for one in readers.values()]
        missing += moments.count(None)
        there = [one for one in moments if one is not None]
        firsts.append(min(there) - at)
        waits.append(max(there) - at)
    print(json.dumps({"firsts": firsts, "waits": waits, "missing": missing}))


if __name__ == "__main__":
    main()
