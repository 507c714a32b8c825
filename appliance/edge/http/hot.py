"""Which requests skip the Quart app: a table of method and path.

The send API, clicks and opens are most of what comes in; a dictionary finds
them. A path with or without its last slash is the same path; nothing redirects.
A known path with a method that is not in the table is answered with 405, so a
table that shares a path with the Quart app names the app for its methods there.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from appliance.edge.http.respond import send_problem

Hot: TypeAlias = Callable[
    [HTTPScope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]
]
_Methods: TypeAlias = dict[str, Hot]


class HotRoutes:
    """An ASGI application: hot routes first, then another application.

    A path that ends with ``*`` stands for all that begin so; the longest wins,
    and an exact path wins over all of them. HEAD is answered as GET.
    """

    def __init__(
        self, routes: Mapping[tuple[str, str], Hot], otherwise: ASGIFramework
    ) -> None:
        self._otherwise = otherwise
        self._exact: dict[str, _Methods] = {}
        prefixes: dict[str, _Methods] = {}
        for (method, path), hot in routes.items():
            table = prefixes if path.endswith("*") else self._exact
            key = path.removesuffix("*") if path.endswith("*") else _plain(path)
            table.setdefault(key, {})[method] = hot
        self._prefixes = sorted(prefixes.items(), key=lambda one: -len(one[0]))

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            await self._otherwise(scope, receive, send)
            return
        methods = self._exact.get(_plain(scope["path"])) or self._by_prefix(scope)
        if methods is None:
            await self._otherwise(scope, receive, send)
            return
        method = scope["method"]
        hot = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if hot is not None:
            await hot(scope, receive, send)
            return
        allow = ", ".join(sorted(methods)).encode()
        await send_problem(send, 405, "method not allowed", [(b"allow", allow)])

    def _by_prefix(self, scope: HTTPScope) -> _Methods | None:
        path = scope["path"]
        for prefix, methods in self._prefixes:
            if path.startswith(prefix):
                return methods
        return None


async def not_found(
    _scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """The answer for a path that nothing has."""
    await send_problem(send, 404, "not found")


def _plain(path: str) -> str:
    return path.removesuffix("/") or "/"
