"""One kept SMTP connection on a trio stream, and mail carried through it.

Decides deadlines and endings: each wait has one, and whatever ends a connection
becomes an outcome for every transaction on it. What is said is decided in
`smtp/`, how a connection comes to be in `smtp_connect`, when to open, keep and
close one in `flow/`.
"""

import ssl
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import trio

from appliance import failpoint
from appliance.net.plain_stream import has_hung_up
from appliance.net.tls import TlsFailure, describe, start_tls
from appliance.net.upstream import Timeouts
from appliance.net.watchdog import Watchdog
from appliance.smtp.client import PIECE_BYTES, Marker, SmtpClient
from appliance.smtp.errors import RemoteProtocolError
from appliance.smtp.exchange import Transaction
from appliance.smtp.outcome import Broken, Fault, Outcome, Stage
from appliance.smtp.pipeline import Pipeline
from appliance.smtp.reply import Reply
from appliance.smtp.trail import Opening

_RECEIVE_BYTES: Final = 64 * 1024
NOT_NOTED: Final = "it could not be noted that the final dot may leave"

Tag = TypeVar("Tag")


class Permission(Protocol):
    """That a final dot may leave; asked for before it is waited for."""

    async def wait(self) -> bool:
        """True once it may, False if it never will."""


class Source(Protocol[Tag]):
    """Where transactions come from and their outcomes go."""

    async def next(self) -> Transaction[Tag] | None:
        """Wait for a transaction; None ends the run (drained, or idle too long)."""

    def try_next(self) -> Transaction[Tag] | None:
        """A transaction if one is ready, to ride behind the one on the wire."""

    def may_end(self, transaction: Transaction[Tag]) -> Permission:
        """Called once the content is about to go: may its final dot follow?"""

    def done(self, transaction: Transaction[Tag], outcome: Outcome) -> None:
        """Called once for each transaction that was handed out."""


class SmtpConnection:
    """One connection; `client` is the session on it, `opening` how it came to be.

    The one who holds it ends it with `quit` or `abort`; both may be called twice.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        client: SmtpClient,
        timeouts: Timeouts,
        opening: Opening | None = None,
    ) -> None:
        self.client = client
        self.opening = opening or Opening(trio.current_time())
        self._stream = stream
        self._timeouts = timeouts
        self._fresh = True
        self._watchdog: Watchdog  # of the run
        self._awaited: Stage | None = None  # from the server; None: from the store

    @property
    def is_open(self) -> bool:
        """True while another transaction may be tried here."""
        return not self.client.is_closed

    async def run(self, source: Source[Tag]) -> Broken | None:
        """Carry transactions until the source ends or the connection does.

        Returns None if the source ended: the connection can be kept, run again,
        or `quit`. Otherwise what ended it, and the connection is closed.

        Each transaction taken from the source gets one `done`, also when this is
        cancelled: those whose final dot was on its way are then in doubt, the
        others `Untouched`. Cancelled while idle, the connection stays open.
        """
        pipeline: Pipeline[Tag] = Pipeline(
            self.client,
            fresh=self._fresh,
            opening=self.opening,
            clock=trio.current_time,
        )
        ending: Broken | None = None
        self._watchdog = Watchdog(self._timeouts.shortest)
        # No nursery for it: that would wrap whatever is raised in here in a group.
        trio.lowlevel.spawn_system_task(self._watchdog.run)
        try:
            with self._watchdog.scope:
                ending = await self._carry(pipeline, source)
            if self._watchdog.scope.cancelled_caught:
                ending = self._overdue(pipeline)
        finally:
            self._watchdog.stop()
            self._fresh = pipeline.is_fresh
            stays_open = pipeline.is_idle and ending is None
            pipeline.break_off(Fault.CANCELLED, "this side stopped")
            try:
                _report(pipeline, source)
            finally:
                if not stays_open:
                    await self.abort()
        return ending

    async def _carry(
        self, pipeline: Pipeline[Tag], source: Source[Tag]
    ) -> Broken | None:
        while True:
            if pipeline.is_idle:
                if self._watchdog.bites:  # in the moment in which the answer came
                    return self._overdue(pipeline)
                self._watchdog.rest()
                transaction = await source.next()
                if transaction is None:
                    return None
                pipeline.offer(transaction)
            while pipeline.has_room and (transaction := source.try_next()):
                pipeline.offer(transaction)
            _report(pipeline, source)
            if pipeline.is_idle:
                continue
            held = pipeline.held
            if held is None:
                ending = await self._turn(pipeline, source)
            else:
                ending = await self._end(held, pipeline, source)
            if ending is not None:
                return ending

    async def _end(
        self, held: Transaction[Tag], pipeline: Pipeline[Tag], source: Source[Tag]
    ) -> Broken | None:
        """Let a content's final dot go once it may, with the next envelope behind it.

        A long content is on its way meanwhile. A short one goes with its dot, by the
        next turn: what it takes to send is saved, and no time to speak of is lost.
        """
        permission = source.may_end(held)
        if self.client.unsent_bytes > PIECE_BYTES:
            self._awaited = Stage.DOT
            self._watchdog.allow(self._timeouts.block_s)
            try:
                is_sent = await self._flush(self._watchdog.allow)
            except _ENDINGS as error:
                return _break_off(pipeline, Stage.DOT, error)
            if not is_sent:
                return await self._turn(pipeline, source)
        self._awaited = None
        self._watchdog.allow(self._timeouts.command_s)
        if not await permission.wait() or self._watchdog.bites:
            return _not_noted(pipeline)
        if has_hung_up(self._stream):  # no dot leaves: there is nothing to doubt
            return await self._turn(pipeline, source)
        pipeline.let_go()
        return None

    async def _turn(
        self, pipeline: Pipeline[Tag], source: Source[Tag]
    ) -> Broken | None:
        """Send all there is, then take in answers until it is our turn again."""
        stage = self._awaited = pipeline.awaited
        self._watchdog.allow(self._timeouts.block_s)
        try:
            await self._flush(self._watchdog.allow)
            if pipeline.awaited is Stage.DOT:
                failpoint.reach("dot.sent")
            while True:
                stage = self._awaited = pipeline.awaited
                self._watchdog.allow(self._timeouts.of(stage))
                while not pipeline.advance():
                    await self._receive()
                _report(pipeline, source)
                if pipeline.has_room or self._is_our_turn():
                    break
        except _ENDINGS as error:
            return _break_off(pipeline, stage, error)
        if self.client.is_closed:
            return Broken(stage, Fault.CLOSED, pipeline.farewell)
        return None

    def _overdue(self, pipeline: Pipeline[Tag]) -> Broken:
        """What ended the connection now that the time is over."""
        if self._awaited is None:
            return _not_noted(pipeline)
        return _break_off(pipeline, self._awaited, trio.TooSlowError())

    def _is_our_turn(self) -> bool:
        return self.client.is_closed or self.client.has_data_to_send

    async def ask(self, stage: Stage) -> Reply | Broken:
        """Send what was said and read the one answer to it, in lock-step."""
        try:
            with trio.CancelScope() as scope:

                def allow(seconds: float) -> None:
                    scope.deadline = trio.current_time() + seconds

                allow(self._timeouts.block_s)
                await self._flush(allow)
                allow(self._timeouts.of(stage))
                while (event := self.client.next_event()) is Marker.NEED_DATA:
                    if self.client.has_data_to_send:  # the answer to a challenge
                        await self._stream.send_all(self.client.data_to_send())
                    await self._receive()
            if scope.cancelled_caught:
                raise trio.TooSlowError
        except _ENDINGS as error:
            return _broken(stage, error)
        if isinstance(event, Marker):
            return Broken(stage, Fault.CLOSED, "the upstream closed the connection")
        return event.reply

    async def _flush(self, allow: Callable[[float], None]) -> bool:
        """Send what there is; False if the upstream hung up before all was sent.

        Each piece has its time; the first one's is allowed already.
        """
        piece = self.client.data_to_send()
        while piece:
            try:
                await self._stream.send_all(piece)
            except trio.BrokenResourceError:
                # What the server said before it hung up may still be readable,
                # and explains more than the broken pipe.
                return False
            piece = self.client.data_to_send()
            if piece:
                allow(self._timeouts.block_s)
        return True

    async def _receive(self) -> None:
        data = await self._stream.receive_some(_RECEIVE_BYTES)
        self.client.receive_data(bytes(data))

    async def cover(self, context: ssl.SSLContext, host: str) -> Broken | None:
        """Cover the connection with TLS; returns what stood in the way."""
        try:
            with trio.fail_after(self._timeouts.command_s):
                covered = await start_tls(self._stream, context, host)
        except trio.TooSlowError as error:
            return _broken(Stage.TLS, error)
        if isinstance(covered, TlsFailure):
            return Broken(Stage.TLS, Fault.TLS, covered.reason)
        self._stream = covered
        cover, opening = describe(covered), self.opening
        opening.tls, opening.cipher = cover.version, cover.cipher
        opening.certificate = cover.certificate
        return None

    async def quit(self) -> Reply | Broken | None:
        """Say goodbye if that can still be said, then close; returns the answer."""
        answer: Reply | Broken | None = None
        try:
            if self.is_open:
                self.client.quit()
                answer = await self.ask(Stage.QUIT)
        finally:
            await self.abort()
        return answer

    async def abort(self) -> None:
        """Close at once."""
        self.client.give_up()
        await trio.aclose_forcefully(self._stream)


_ENDINGS: Final = (
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    RemoteProtocolError,
)


def _broken(stage: Stage, error: Exception) -> Broken:
    if isinstance(error, trio.TooSlowError):
        return Broken(stage, Fault.TIMEOUT, "the upstream did not answer in time")
    if isinstance(error, RemoteProtocolError):
        return Broken(stage, Fault.GARBAGE, str(error))
    return Broken(stage, Fault.CLOSED, "the connection was lost")


def _break_off(pipeline: Pipeline[Tag], stage: Stage, error: Exception) -> Broken:
    ending = _broken(stage, error)
    pipeline.break_off(ending.fault, ending.detail)
    return ending


def _not_noted(pipeline: Pipeline[Tag]) -> Broken:
    pipeline.break_off(Fault.CANCELLED, NOT_NOTED)
    return Broken(Stage.DOT, Fault.CANCELLED, NOT_NOTED)


def _report(pipeline: Pipeline[Tag], source: Source[Tag]) -> None:
    for transaction, outcome in pipeline.take_settled():
        source.done(transaction, outcome)
