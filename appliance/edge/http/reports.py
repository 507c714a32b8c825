"""Where providers' log agents report: the key, the body's size, the answer.

Nothing else opens with an event key, and this with no other. A packed body is
unpacked no further than an unpacked one may be long.
"""

import zlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeAlias

import trio

from appliance.core.refusal import Reason, Refusal
from appliance.core.report import Report
from appliance.dialects.sendpost.answer import (
    JSON_TYPE,
    Answer,
    render_problem,
    render_refusal,
)
from appliance.dialects.sendpost.errors import Fault, Problem, invalid
from appliance.dialects.sendpost.reports import Item, parse_reports, render_reports
from appliance.edge.http.sendpost import BAD_KEY, STRANGER_BYTES
from appliance.edge.keys import KeyRing
from appliance.flow.reports import ReportDesk
from appliance.store.errors import StoreUnavailable

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

MAX_BODY_BYTES = 1024 * 1024
SMALL_BODY_BYTES = 16 * 1024  # read and judged in a millisecond or two
AT_A_TIME = 8  # requests in memory
_TOO_LARGE = Problem(Fault.TOO_LARGE, f"The body is over {MAX_BODY_BYTES} bytes")
_CODING = b"content-encoding"
_GZIP = 16 + zlib.MAX_WBITS


class ReportDoor:
    """Answers reports."""

    def __init__(self, keys: KeyRing, desk: ReportDesk) -> None:
        self._keys = keys
        self._desk = desk
        self._room = trio.CapacityLimiter(AT_A_TIME)
        self._threads = trio.CapacityLimiter(1)

    def body_limit(self, headers: Headers) -> int:
        """How much body is read behind these headers: little without a key."""
        known = self._keys.reporter(headers) is not None
        return MAX_BODY_BYTES if known else STRANGER_BYTES

    def room_for(self, headers: Headers) -> AbstractAsyncContextManager[object]:
        """To be held while a request is read and answered; strangers need none."""
        known = self._keys.reporter(headers) is not None
        return self._room if known else nullcontext()

    async def answer(self, headers: Headers, body: bytes | None) -> Answer:
        """The whole answer; a 200 means that what it accepts is on disk.

        No body stands for one that was too large to be read.
        """
        provider = self._keys.reporter(headers)
        if provider is None:
            return render_refusal(BAD_KEY)
        items = await self._parse(headers, body)
        if isinstance(items, Problem):
            return render_problem(items)
        reports = [one for one in items if isinstance(one, Report)]
        try:
            believed = await self._desk.take(provider, reports)
        except StoreUnavailable:
            return render_refusal(Refusal(Reason.STORE_UNAVAILABLE))
        return Answer(200, (JSON_TYPE,), render_reports(items, believed))

    async def _parse(
        self, headers: Headers, body: bytes | None
    ) -> list[Item] | Problem:
        """The events; those of a large body are read and judged in a thread."""
        plain = _TOO_LARGE if body is None else unpack(headers, body)
        if isinstance(plain, Problem):
            return plain
        if len(plain) <= SMALL_BODY_BYTES:
            return parse_reports(plain)
        return await trio.to_thread.run_sync(
            parse_reports, plain, limiter=self._threads
        )


def unpack(headers: Headers, body: bytes) -> bytes | Problem:
    """The body as it was before it was packed, if it was, and is not too large."""
    codings = [value.strip().lower() for key, value in headers if key == _CODING]
    if codings in ([], [b"identity"]):
        return body
    if codings not in ([b"gzip"], [b"x-gzip"]):
        return invalid("", "The body's encoding is not gzip")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        return invalid("", "The body is not gzip")
    if len(plain) > MAX_BODY_BYTES:
        return _TOO_LARGE
    if not unpacker.eof or unpacker.unused_data:
        return invalid("", "The body is not one whole gzip stream")
    return plain
