"""How the Quart app is joined to the server: the whole body, then the handler.

Quart-trio's own class runs two tasks a request and is cancelled when the client
leaves. This one reads the body to its limit first and then runs the handler to
its end: cheaper, and what a handler began it ends. For handlers that stream a
request body it is the wrong class; there are none.
"""

import math

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart.wrappers import Request
from quart_trio.asgi import TrioASGIHTTPConnection


class Lean(TrioASGIHTTPConnection):
    """One request to the Quart app; set it as ``app.asgi_http_class``."""

    async def __call__(
        self, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer the request; a client that left before its body ended gets nothing."""
        request = self._create_request_from_scope(send)
        limit = self.app.config["MAX_CONTENT_LENGTH"]
        if await _take_body(request, receive, limit):
            response = await self.app.handle_request(request)
            await self._send_response(send, response)


async def _take_body(
    request: Request, receive: ASGIReceiveCallable, limit: int | None
) -> bool:
    """True with the body complete, or cut where Quart will answer 413."""
    seen = 0
    most = math.inf if limit is None else limit
    while max(seen, request.content_length or 0) <= most:
        message = await receive()
        if message["type"] != "http.request":
            return False
        request.body.append(message["body"])
        seen += len(message["body"])
        if not message["more_body"]:
            break
    request.body.set_complete()
    return True
