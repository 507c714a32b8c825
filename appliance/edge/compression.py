"""Events as websocket frames, compressed or not: made once, for all who want them.

A server's frames are not masked (RFC 6455 5.1), and compressed ones take nothing over
from those before (RFC 7692 7.1.1), so the same bytes do for everybody.
"""

import re
from collections.abc import Sequence

from trio_websocket import WebSocketConnection, WebSocketRequest
from wsproto.events import AcceptConnection
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

# Few events are longer. Whoever takes a larger window takes a smaller one too.
WINDOW_BITS = 11
_BITS = r"(?:8|9|1[0-5])"
_OFFER = re.compile(
    r"permessage-deflate(?:; *(?:"
    r"(?:client|server)_no_context_takeover"
    rf"|client_max_window_bits(?:={_BITS})?"
    rf"|server_max_window_bits=(?P<bits>{_BITS})))*"
)


def offers_deflate(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """True if frames may be compressed for this reader.

    What else a client offers is let be, so is a second choice of it: few do either.
    """
    offers = [value for name, value in headers if name == b"sec-websocket-extensions"]
    if len(offers) != 1:
        return False
    found = _OFFER.fullmatch(offers[0].decode("latin-1").strip())
    return found is not None and int(found["bits"] or WINDOW_BITS) >= WINDOW_BITS


async def accept(request: WebSocketRequest, *, deflated: bool) -> WebSocketConnection:
    """Accept the handshake.

    trio-websocket cannot say that it takes an extension, wsproto below it can. What a
    reader sends compressed is read in pieces of 4 KiB, each at most 4 MB unpacked.
    """
    if not deflated:
        return await request.accept()
    connection = request._connection  # noqa: SLF001 - a test holds it
    await connection._send(AcceptConnection(extensions=[_deflate()]))  # noqa: SLF001
    return connection


class Framer:
    """Makes a frame of each text."""

    def __init__(self, *, deflated: bool) -> None:
        extension = _deflate()
        extension.finalize(extension.name)  # it has been agreed on, here with nobody
        self._protocol = FrameProtocol(
            client=False, extensions=[extension] if deflated else []
        )

    def frame(self, text: str) -> bytes:
        """One whole message."""
        return bytes(self._protocol.send_data(text, fin=True))


def _deflate() -> PerMessageDeflate:
    return PerMessageDeflate(
        client_no_context_takeover=True,
        server_no_context_takeover=True,
        server_max_window_bits=WINDOW_BITS,
    )
