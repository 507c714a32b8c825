"""A DNS server in a thread of its own: whatever a test writes into its zone."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.rrset


class Zone:
    """Answers from zone-file lines, over UDP, in a thread of its own."""

    def __init__(self, server: socket.socket) -> None:
        self.lines: list[str] = []
        self.address = f"127.0.0.1:{server.getsockname()[1]}"
        self._server = server

    def run(self) -> None:
        """Answer until an empty datagram comes."""
        while True:
            asked, peer = self._server.recvfrom(4096)
            if not asked:
                return
            self._server.sendto(self._answer(asked), peer)

    def _answer(self, asked: bytes) -> bytes:
        question = dns.message.from_wire(asked)
        answer = dns.message.make_response(question)
        (wanted,) = question.question
        for line in self.lines:
            name, ttl, _, kind, data = line.split(maxsplit=4)
            found = dns.rrset.from_text(name, int(ttl), "IN", kind, data)
            if (found.name, found.rdtype) == (wanted.name, wanted.rdtype):
                answer.answer.append(found)
        if not answer.answer:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


@contextmanager
def zone_served() -> Iterator[Zone]:
    """A zone that is answered for on loopback; its address is ``zone.address``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        zone = Zone(server)
        thread = threading.Thread(target=zone.run)
        thread.start()
        try:
            yield zone
        finally:
            server.sendto(b"", server.getsockname())
            thread.join(5)
