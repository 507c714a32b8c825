"""How the Quart app is joined to the server: the whole body, then the handler.

Quart-trio's own class runs two tasks a request and is cancelled when the client
leaves. This one reads the body to its limit first and then runs the handler to
its end: cheaper, and what a handler began it ends. Only an answer that is made while
it is sent ends when nobody is there to read it. For handlers that stream a request
body it is the wrong class; there are none.
"""

import math

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Response
from quart.wrappers import Request
from quart.wrappers.response import DataBody
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
            if isinstance(response, Response) and not _is_there(response):
                await self._stream(receive, send, response)
            else:
                await self._send_response(send, response)

    async def _stream(
        self, receive: ASGIReceiveCallable, send: ASGISendCallable, response: Response
    ) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, receive, nursery.cancel_scope)
            await self._send_response(send, response)
            nursery.cancel_scope.cancel()


def _is_there(response: Response) -> bool:
    """True if the body was made before it is sent."""
    return isinstance(response.response, DataBody)


async def _watch(receive: ASGIReceiveCallable, scope: trio.CancelScope) -> None:
    """Cancel once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


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
