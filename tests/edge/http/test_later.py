import threading
from collections.abc import Mapping
from typing import Any, cast

import pytest
import trio
from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    LifespanScope,
)

from appliance.edge.http.later import Later

REQUEST = cast("HTTPScope", {"type": "http", "path": "/"})
LIFESPAN = cast("LifespanScope", {"type": "lifespan"})


class Made:
    """Counts how often it is made, where, and how often it is called."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.calls = 0
        self.fails = False

    def make(self) -> "Made":
        """The application."""
        self.threads.append(threading.current_thread())
        if self.fails:
            raise RuntimeError("out of memory")
        return self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        assert (scope, receive, send) == (REQUEST, never, never_said)
        self.calls += 1
        await trio.lowlevel.checkpoint()


async def never() -> Any:
    """Nothing comes in."""


async def never_said(message: Any) -> None:
    """Nothing goes out."""
    raise AssertionError(message)


async def ask(later: Later) -> None:
    """One request."""
    await later(REQUEST, never, never_said)


async def test_it_is_made_once_and_not_before_it_is_wanted() -> None:
    """In another thread, so that those who want something else do not wait."""
    made = Made()
    later = Later(made.make)
    assert made.threads == []
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask, later)
    await ask(later)
    assert made.calls == 6
    (thread,) = made.threads
    assert thread is not threading.current_thread()


async def test_a_failure_to_make_it_is_that_request_s_alone() -> None:
    """The next one tries again."""
    made = Made()
    later = Later(made.make)
    made.fails = True
    with pytest.raises(RuntimeError):
        await ask(later)
    made.fails = False
    await ask(later)
    assert made.calls == 1


async def test_the_lifespan_does_not_make_it() -> None:
    """The server starts and ends without it."""
    made = Made()
    said: list[Mapping[str, Any]] = []

    async def say(message: Mapping[str, Any]) -> None:
        said.append(message)

    await Later(made.make)(
        LIFESPAN, cast("ASGIReceiveCallable", never), cast("ASGISendCallable", say)
    )
    assert [one["type"] for one in said] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert made.threads == []
