"""Trying an upstream with one real message, step by step, and saying how it went.

Decides what is tried and what it measures. Which addresses and content are used,
and what the steps are called to an operator, is left to the caller.
"""

from collections.abc import Callable
from typing import Final

import trio

from appliance.net.smtp_client import SmtpConnection
from appliance.net.smtp_connect import Failure, connect
from appliance.net.upstream import Timeouts, Upstream
from appliance.smtp.exchange import Transaction, needs_utf8, objection
from appliance.smtp.grammar import wire_content
from appliance.smtp.outcome import (
    Broken,
    Fault,
    ProbeStep,
    Rejected,
    Stage,
    failure_class,
)
from appliance.smtp.reply import Reply

_STEP_S: Final = 10
_WHOLE_S: Final = 30
_TIMEOUTS: Final = Timeouts(
    connect_s=_STEP_S,
    command_s=_STEP_S,
    data_s=_STEP_S,
    block_s=_STEP_S,
    dot_s=_STEP_S,
)


async def probe(
    upstream: Upstream, sender: str, recipient: str, content: bytes
) -> tuple[ProbeStep, ...]:
    """The steps taken with a message that is really sent; the last may have failed.

    Connect, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, the content, QUIT: 10 s for
    each, 30 s in all. QUIT never fails, the server has the message by then.

    Raises:
        LocalProtocolError: the content has a CR or LF that stands alone.
    """
    record = _Record()
    with trio.move_on_after(_WHOLE_S) as scope:
        failure = await _walk(upstream, sender, recipient, content, record)
        if failure is not None:
            record.failed(failure)
    if scope.cancelled_caught:
        record.failed(Broken(record.stage, Fault.TIMEOUT, "the probe took too long"))
    return tuple(record.steps)


class _Record:
    """Collects steps; each lasts from the end of the one before."""

    def __init__(self) -> None:
        self.steps: list[ProbeStep] = []
        self.stage = Stage.CONNECT
        self._since = trio.current_time()

    def progress(self, stage: Stage, reply: Reply | None) -> None:
        self.stage = stage
        if reply is not None:
            self._add(ProbeStep(stage, reply.code, _words(reply), self._lap()))

    def failed(self, failure: Failure) -> None:
        kind = failure_class(failure)
        if isinstance(failure, Rejected):
            code, message = failure.reply.code, _words(failure.reply)
            self._add(ProbeStep(failure.stage, code, message, self._lap(), kind))
        else:
            step = ProbeStep(failure.stage, None, failure.detail, self._lap(), kind)
            self._add(step)

    def _add(self, step: ProbeStep) -> None:
        self.steps.append(step)

    def _lap(self) -> int:
        since, self._since = self._since, trio.current_time()
        return round((self._since - since) * 1000)


def _words(reply: Reply) -> str:
    enhanced = "" if reply.enhanced is None else f"{reply.enhanced} "
    return enhanced + reply.text


async def _walk(
    upstream: Upstream, sender: str, recipient: str, content: bytes, record: _Record
) -> Failure | None:
    connection = await connect(upstream, _TIMEOUTS, record.progress)
    if not isinstance(connection, SmtpConnection):
        return connection
    try:
        failure = await _hand_over(connection, sender, recipient, content, record)
        if failure is not None:
            return failure
        record.progress(Stage.QUIT, None)
        answer = await connection.quit()
        if isinstance(answer, Reply):
            record.progress(Stage.QUIT, answer)
    finally:
        await connection.abort()
    return None


async def _hand_over(
    connection: SmtpConnection,
    sender: str,
    recipient: str,
    content: bytes,
    record: _Record,
) -> Failure | None:
    transaction = Transaction(None, sender, (recipient,), content)
    wire = wire_content(content)
    client = connection.client
    obstacle = objection(transaction, wire, client.capabilities)
    if obstacle is not None:
        return Broken(Stage.MAIL, Fault.NOT_OFFERED, obstacle.value)
    utf8 = needs_utf8(transaction, wire)
    says: tuple[tuple[Stage, Callable[[], object]], ...] = (
        (Stage.MAIL, lambda: client.mail(sender, wire, utf8=utf8)),
        (Stage.RCPT, lambda: client.rcpt(recipient)),
        (Stage.DATA, client.data),
        (Stage.DOT, lambda: client.content(wire)),
    )
    for stage, say in says:
        record.progress(stage, None)
        say()
        answer = await connection.ask(stage)
        if isinstance(answer, Broken):
            return answer
        if answer.is_refusal:
            return Rejected(stage, answer)
        record.progress(stage, answer)
    return None
