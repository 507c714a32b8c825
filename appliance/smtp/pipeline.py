"""Many transactions through one session, without a socket and without a wait.

Decides the order on the wire: MAIL, RCPT and DATA in one group where PIPELINING
is offered, the next group behind the final dot of the message before (RFC 2920
3.1: DATA ends a group, its content opens the next), one command at a time where
it is not offered. And decides what an answer, or the lack of one, means for each
transaction. Sockets and deadlines are left to `net/`, trying again to `flow/`.

A content goes out without its final dot, which is `held` until the caller says
`let_go`: it is what makes a message of it, so it must be known that it may have left
before it leaves. Meanwhile the content is on its way.

Every transaction that is offered leaves by `take_settled` exactly once. The first
transaction of a connection is never handed back as untouched, so a caller that
opens a connection always gets one message further.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic

from appliance.smtp.client import Marker, SmtpClient
from appliance.smtp.client_moves import State, Verb
from appliance.smtp.errors import LocalProtocolError
from appliance.smtp.exchange import Exchange, Tag, Transaction, needs_utf8, objection
from appliance.smtp.grammar import wire_content
from appliance.smtp.outcome import (
    Accepted,
    Broken,
    Fault,
    Obstacle,
    Outcome,
    Rejected,
    Stage,
    Unsendable,
    Untouched,
)
from appliance.smtp.reply import SERVICE_CLOSING, Reply
from appliance.smtp.trail import CONTENT, Clock, Opening, monotonic

# Behind a DATA that was agreed to although nobody was left to send to, RFC 2920
# 3.1 asks for a lone dot.
_NOTHING: Final = wire_content(b"")


class Pipeline(Generic[Tag]):
    """Carries transactions over a session that is ready for mail.

    `fresh` says that the connection has not carried a transaction before, `opening`
    how it came to be.
    """

    def __init__(
        self,
        client: SmtpClient,
        *,
        fresh: bool = True,
        opening: Opening | None = None,
        clock: Clock = monotonic,
    ) -> None:
        self._client = client
        self._opening = opening
        self._clock = clock
        self._grouped = client.capabilities.pipelining
        self._flight: deque[Exchange[Tag]] = deque()
        self._settled: list[tuple[Transaction[Tag], Outcome]] = []
        self._held: Exchange[Tag] | None = None
        self._farewell = "the upstream closed the connection"
        self._fresh = fresh

    @property
    def is_fresh(self) -> bool:
        """True until a first transaction has gone through or been refused."""
        return self._fresh

    @property
    def is_idle(self) -> bool:
        """True if nothing is on the wire."""
        return not self._flight

    @property
    def has_room(self) -> bool:
        """True if another transaction may be offered now."""
        if self._client.is_closed:
            return False
        if not self._flight:
            return True
        # All that is left of the one before is the answer to its dot.
        alone = len(self._flight) == 1 and self._flight[0].stage is Stage.DOT
        return self._grouped and alone and self._held is None

    @property
    def held(self) -> Transaction[Tag] | None:
        """The transaction whose final dot is held back."""
        return None if self._held is None else self._held.transaction

    def let_go(self) -> None:
        """Let the final dot that is held back go, if the session still stands."""
        if self._held is not None and not self._client.is_closed:
            self._client.dot()
            self._held.transaction.trail.content_at = self._clock()
        self._held = None

    @property
    def awaited(self) -> Stage:
        """What the next answer is about; it decides the deadline."""
        return self._flight[0].stage if self._flight else Stage.MAIL

    @property
    def farewell(self) -> str:
        """What the server said when it closed."""
        return self._farewell

    def offer(self, transaction: Transaction[Tag]) -> None:
        """Put a transaction on the wire, or settle it if it cannot be sent.

        Raises:
            LocalProtocolError: there is no room.
        """
        if not self.has_room:
            raise LocalProtocolError("no room for another transaction")
        transaction.trail.begin(self._opening, self._clock())
        try:
            content = wire_content(transaction.content)
        except LocalProtocolError:
            self._settle(transaction, Unsendable(Obstacle.LONE_LINE_END))
            return
        obstacle = objection(transaction, content, self._client.capabilities)
        if obstacle is not None:
            self._settle(transaction, Unsendable(obstacle))
            return
        exchange = Exchange(transaction, content)
        self._flight.append(exchange)
        exchange.commands = self._commands(exchange)
        if self._grouped:
            deque(exchange.commands, maxlen=0)
        else:
            next(exchange.commands)

    def _commands(self, exchange: Exchange[Tag]) -> Iterator[None]:
        """Say the commands of the envelope, one a step."""
        client, transaction = self._client, exchange.transaction
        note = transaction.trail.note
        if client.state is not State.READY:  # the server holds a refused envelope
            note(client.rset())
            yield
        utf8 = needs_utf8(transaction, exchange.content)
        note(client.mail(transaction.sender, exchange.content, utf8=utf8))
        yield
        for recipient in transaction.recipients:
            note(client.rcpt(recipient))
            yield
        note(client.data())
        yield

    def advance(self) -> bool:
        """Take in what has arrived; False if there was nothing yet.

        Raises:
            RemoteProtocolError: the server broke the protocol; `break_off` next.
        """
        moved = False
        while (event := self._client.next_event()) is not Marker.NEED_DATA:
            moved = True
            if isinstance(event, Marker):
                self.break_off(Fault.CLOSED, self._farewell)
                break
            if event.reply.code == SERVICE_CLOSING:
                self._farewell = str(event.reply)
            self._answered(event.verb, event.reply)
        return moved

    def _answered(self, verb: Verb, reply: Reply) -> None:
        if verb is Verb.DOT:
            self._on_dot(reply)
            return
        exchange = self._flight[-1]
        exchange.transaction.trail.note(reply)
        if reply.code == SERVICE_CLOSING:
            self._on_closing(exchange, reply)
        elif verb is Verb.DATA:
            self._on_data(exchange, reply)
        else:
            exchange.take(verb, reply)
            self._go_on(exchange)

    def _go_on(self, exchange: Exchange[Tag]) -> None:
        """Say the next command, where they go one at a time."""
        if self._grouped:
            return
        if exchange.refusal is None:
            next(exchange.commands)
        else:
            self._drop(exchange, exchange.refusal)

    def _on_data(self, exchange: Exchange[Tag], reply: Reply) -> None:
        if reply.is_go_on:
            exchange.stage = Stage.DOT
            trail = exchange.transaction.trail
            trail.note(CONTENT)
            trail.content_at = self._clock()
            if exchange.refusal is None:
                self._client.body(exchange.content)
                self._held = exchange
            else:
                self._client.content(_NOTHING)
        else:
            self._drop(exchange, exchange.refusal or Rejected(Stage.DATA, reply))

    def _drop(self, exchange: Exchange[Tag], refusal: Rejected) -> None:
        """End a transaction whose content was not sent; the server still has it."""
        self._flight.pop()
        self._fresh = False
        self._settle(exchange.transaction, refusal)

    def _on_dot(self, reply: Reply) -> None:
        exchange = self._flight.popleft()
        exchange.transaction.trail.note(reply)
        self._fresh = False
        outcome: Outcome
        if exchange.refusal is not None:
            outcome = exchange.refusal
        elif reply.is_refusal:
            outcome = Rejected(Stage.DOT, reply)
        else:
            outcome = Accepted(reply, tuple(exchange.refused))
        self._settle(exchange.transaction, outcome)

    def _on_closing(self, exchange: Exchange[Tag], reply: Reply) -> None:
        """421 to an envelope: on a used connection it is not the message's doing.

        Servers end a connection so after so many messages or so much time.
        """
        self._flight.pop()
        outcome: Outcome = exchange.refusal or Untouched()
        if self._fresh and exchange.refusal is None:
            outcome = Rejected(exchange.stage, reply)
        self._settle(exchange.transaction, outcome)

    def break_off(self, fault: Fault, detail: str) -> None:
        """Settle all that is on the wire: no more answers will come."""
        first = True
        while self._flight:
            exchange = self._flight.popleft()
            outcome = self._unanswered(exchange, fault, detail, first=first)
            self._settle(exchange.transaction, outcome)
            first = False

    def _unanswered(
        self, exchange: Exchange[Tag], fault: Fault, detail: str, *, first: bool
    ) -> Outcome:
        if exchange.refusal is not None:
            return exchange.refusal
        in_doubt = exchange.stage is Stage.DOT and self._client.dot_is_out
        if not in_doubt and fault is Fault.CANCELLED:
            return Untouched()
        to_blame = first and (self._fresh or fault is Fault.TIMEOUT)
        if exchange.touched or to_blame:
            return Broken(exchange.stage, fault, detail, after_dot=in_doubt)
        return Untouched()

    def _settle(self, transaction: Transaction[Tag], outcome: Outcome) -> None:
        if self._held is not None and self._held.transaction is transaction:
            self._held = None  # it was answered, or it broke, before its end
        transaction.trail.ended_at = self._clock()
        self._settled.append((transaction, outcome))

    def take_settled(self) -> list[tuple[Transaction[Tag], Outcome]]:
        """What has been decided since the last call, in order."""
        settled, self._settled = self._settled, []
        return settled
