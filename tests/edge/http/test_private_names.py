"""The private and half-private names of hypercorn that the HTTP door stands on.

An upgrade that moves one of them fails here, by its name, and not in the field.
"""

import inspect
from importlib.metadata import version

import h11
import pytest
from hypercorn.config import Config
from hypercorn.events import Closed, RawData, Updated
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import STREAM_ID, H2ProtocolAssumedError, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext

PROTOCOL = [
    "app",
    "config",
    "context",
    "task_group",
    "connection_state",
    "ssl",
    "client",
    "server",
    "send",
]
STREAM = [
    "app",
    "config",
    "context",
    "task_group",
    "ssl",
    "client",
    "server",
    "send",
    "stream_id",
]


def parameters(of: object) -> list[str]:
    """The names of what it takes."""
    assert callable(of)
    return [name for name in inspect.signature(of).parameters if name != "self"]


@pytest.mark.parametrize(
    ("of", "names"),
    [
        (H11Protocol, PROTOCOL),
        (H2Protocol, PROTOCOL),
        (HTTPStream, STREAM),
        (TaskGroup, []),
        (TaskGroup.spawn_app, ["app", "config", "scope", "send"]),
        (TaskGroup.spawn, ["func", "args"]),
        (Lifespan, ["app", "config", "state"]),
        (WorkerContext, ["max_requests"]),
        (Config.response_headers, ["protocol"]),
        (H11Protocol.handle, ["event"]),
        (H11Protocol.stream_send, ["event"]),
        (H11Protocol._handle_events, []),
        (H11Protocol._check_protocol, ["event"]),
        (H11Protocol._create_stream, ["request"]),
        (H11Protocol._send_h11_event, ["event"]),
        (H11Protocol._send_error_response, ["status_code"]),
        (H11Protocol._maybe_recycle, []),
        (H2Protocol.initiate, ["headers", "settings"]),
        (H2ProtocolAssumedError, ["data"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_what_we_override_or_call_is_as_it_was(of: object, names: list[str]) -> None:
    """Same name, same parameters."""
    assert parameters(of) == names


def test_the_version_is_the_one_that_was_read() -> None:
    """With another than 0.18, read its h11.py against ours, then change this."""
    assert version("hypercorn").startswith("0.18.")


def test_the_protocol_checks_before_it_makes_a_stream() -> None:
    """Our checks run in `_check_protocol`; a request they refuse makes no stream."""
    source = inspect.getsource(H11Protocol._handle_events)
    assert source.index("_check_protocol") < source.index("_create_stream")


def test_the_protocol_has_the_attributes_that_phases_come_from() -> None:
    """Of `H11Protocol`, and of h11 behind it."""
    source = inspect.getsource(H11Protocol.__init__)
    for name in ("connection", "keep_alive_requests", "stream", "can_read"):
        assert f"self.{name}" in source
    assert h11.Connection(h11.SERVER).trailing_data == (b"", False)
    assert STREAM_ID == 1


def test_the_events_are_the_three_that_a_connection_answers() -> None:
    """Bytes, the end, and idleness."""
    assert RawData(b"").data == b""
    assert Updated(idle=True).idle
    assert Closed() == Closed()
