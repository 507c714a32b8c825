"""Opening a connection to an upstream, as a list of named steps.

Decides what an upstream must offer before it is given mail: the TLS and the
login its settings demand. Nothing is ever done without them (CVE-2016-0772), and
each connection is judged anew, whatever the last one offered.
"""

import base64
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import trio

from appliance.core.provider import AuthMethod, Security
from appliance.net.plain_stream import PlainStream, dial
from appliance.net.smtp_client import SmtpConnection
from appliance.net.tls import client_context
from appliance.net.upstream import Timeouts, Upstream
from appliance.smtp.client import Mechanism, SmtpClient
from appliance.smtp.outcome import Broken, Fault, Rejected, Stage
from appliance.smtp.reply import Reply
from appliance.smtp.trail import LOGIN, Opening

Failure = Rejected | Broken
# Called with None when a step begins, with the reply when it is done.
Progress = Callable[[Stage, Reply | None], None]
_Step = Callable[[SmtpConnection, Upstream], Awaitable[Reply | Failure]]

DEFAULT_TIMEOUTS: Final = Timeouts()
_PERMANENT: Final = 5
# RFC 4954 6: the mechanism, not the password, is refused.
_OTHER_MECHANISM: Final = frozenset({504, 534})
_MECHANISMS: Final = {
    AuthMethod.AUTO: (Mechanism.PLAIN, Mechanism.LOGIN),
    AuthMethod.PLAIN: (Mechanism.PLAIN,),
    AuthMethod.LOGIN: (Mechanism.LOGIN,),
}


def ignore_progress(_stage: Stage, _reply: Reply | None) -> None:
    """Nobody watches."""


async def connect(
    upstream: Upstream,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    progress: Progress = ignore_progress,
    opening: Opening | None = None,
) -> SmtpConnection | Failure:
    """A connection that is ready for mail, or what stood in the way.

    How it came about is noted in `opening`, also if it did not.
    """
    opening = opening or Opening(trio.current_time())
    stream = await _dial(upstream, timeouts)
    opening.connect_s = trio.current_time() - opening.began_at
    if isinstance(stream, Broken):
        return stream
    opening.peer = _peer(stream)
    return await introduce(stream, upstream, timeouts, progress, opening)


async def introduce(
    stream: trio.abc.Stream,
    upstream: Upstream,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    progress: Progress = ignore_progress,
    opening: Opening | None = None,
) -> SmtpConnection | Failure:
    """As `connect`, on a stream that is open; it is closed if this fails."""
    client = SmtpClient(encrypted=upstream.security is Security.TLS)
    connection = SmtpConnection(stream, client, timeouts, opening)
    ready = False
    try:
        for stage, step in _steps(upstream):
            progress(stage, None)
            result = await step(connection, upstream)
            if not isinstance(result, Reply):
                return result
            progress(stage, result)
        ready = True
        connection.opening.ready_s = _elapsed(connection.opening)
    finally:
        if not ready:
            await connection.abort()
    return connection


def _steps(upstream: Upstream) -> list[tuple[Stage, _Step]]:
    steps: list[tuple[Stage, _Step]] = [
        (Stage.CONNECT, _be_greeted),
        (Stage.EHLO, _say_hello),
    ]
    if upstream.security is Security.STARTTLS:
        steps.append((Stage.TLS, _start_tls))
    if upstream.username is not None:
        steps.append((Stage.AUTH, _log_in))
    return steps


async def _dial(upstream: Upstream, timeouts: Timeouts) -> PlainStream | Broken:
    try:
        with trio.fail_after(timeouts.connect_s):
            return await dial(upstream.host, upstream.port)
    except trio.TooSlowError:
        return Broken(Stage.CONNECT, Fault.TIMEOUT, "no connection in time")
    except (OSError, UnicodeError) as error:  # a name can be too long for IDNA
        return Broken(Stage.CONNECT, Fault.UNREACHABLE, _words(error))


def _words(error: Exception) -> str:
    """What the operating system said, of the first address that was tried."""
    if isinstance(error, socket.gaierror):
        return f"the host name does not resolve: {error.strerror}"
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return getattr(error, "strerror", None) or str(error)


def _peer(stream: PlainStream) -> str:
    """Whom we reached, such as 192.0.2.1:25; "" if it has gone already."""
    try:
        host, port, *_ = stream.socket.getpeername()
    except OSError:
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _elapsed(opening: Opening) -> float:
    return trio.current_time() - opening.began_at


async def _ask(connection: SmtpConnection, stage: Stage) -> Reply | Broken:
    """The answer to what was said, noted."""
    answer = await connection.ask(stage)
    if isinstance(answer, Reply):
        connection.opening.note(answer)
    return answer


def _judge(stage: Stage, answer: Reply | Broken) -> Reply | Failure:
    if isinstance(answer, Reply) and answer.is_refusal:
        return Rejected(stage, answer)
    return answer


async def _be_greeted(
    connection: SmtpConnection, upstream: Upstream
) -> Reply | Failure:
    if upstream.security is Security.TLS:
        failure = await _cover(connection, upstream)
        if failure is not None:
            return failure
    return _judge(Stage.CONNECT, await _ask(connection, Stage.CONNECT))


async def _say_hello(connection: SmtpConnection, upstream: Upstream) -> Reply | Failure:
    note = connection.opening.note
    note(connection.client.ehlo(upstream.ehlo_name))
    answer = await _ask(connection, Stage.EHLO)
    # RFC 5321 3.2: a server may know HELO only.
    if isinstance(answer, Reply) and answer.severity == _PERMANENT:
        note(connection.client.helo(upstream.ehlo_name))
        answer = await _ask(connection, Stage.EHLO)
    return _judge(Stage.EHLO, answer)


async def _start_tls(connection: SmtpConnection, upstream: Upstream) -> Reply | Failure:
    client = connection.client
    if not client.capabilities.starttls:
        return Broken(Stage.TLS, Fault.NOT_OFFERED, "upstream does not offer STARTTLS")
    connection.opening.note(client.starttls())
    answer = _judge(Stage.TLS, await _ask(connection, Stage.TLS))
    if not isinstance(answer, Reply):
        return answer
    failure = await _cover(connection, upstream)
    if failure is not None:
        return failure
    client.tls_established()
    # What was offered in clear may have been put there by anyone (RFC 3207 4.2).
    again = await _say_hello(connection, upstream)
    return answer if isinstance(again, Reply) else again


async def _cover(connection: SmtpConnection, upstream: Upstream) -> Broken | None:
    try:
        context = client_context(
            verify=upstream.verify_certificate, ca_file=upstream.ca_file
        )
    except OSError:
        return Broken(Stage.TLS, Fault.TLS, "the CA file cannot be used")
    began_s = trio.current_time()
    failure = await connection.cover(context, upstream.host)
    connection.opening.tls_s = trio.current_time() - began_s
    return failure


async def _log_in(connection: SmtpConnection, upstream: Upstream) -> Reply | Failure:
    client = connection.client
    if not (client.encrypted or upstream.allow_plaintext_auth):
        return Broken(
            Stage.AUTH, Fault.NOT_OFFERED, "credentials are not sent without TLS"
        )
    answer: Reply | Broken = Broken(
        Stage.AUTH, Fault.NOT_OFFERED, "upstream offers no AUTH that is spoken here"
    )
    for mechanism in _MECHANISMS[upstream.auth_method]:
        if mechanism.value not in client.capabilities.auth:
            continue
        client.auth(
            mechanism,
            upstream.username or "",
            upstream.password,
            allow_plaintext=upstream.allow_plaintext_auth,
        )
        connection.opening.note(LOGIN)
        answer = _hiding(upstream, await connection.ask(Stage.AUTH))
        if isinstance(answer, Reply):
            connection.opening.note(answer)
        if isinstance(answer, Broken) or answer.code not in _OTHER_MECHANISM:
            break
    return _judge(Stage.AUTH, answer)


def _hiding(upstream: Upstream, answer: Reply | Broken) -> Reply | Broken:
    """The answer to a login without the login, should the server repeat it."""
    if not isinstance(answer, Reply):
        return answer
    secrets = _secrets(upstream)
    if not any(secret in line for secret in secrets for line in answer.lines):
        return answer
    return replace(answer, lines=tuple(_hidden(one, secrets) for one in answer.lines))


def _secrets(upstream: Upstream) -> list[str]:
    name, password = (upstream.username or "").encode(), upstream.password.encode()
    coded = (password, b"\0" + name + b"\0" + password)
    words = [base64.b64encode(one).decode() for one in coded]
    found = {one for one in (upstream.password, *words) if one}
    return sorted(found, key=len, reverse=True)  # one may hold another


def _hidden(line: str, secrets: list[str]) -> str:
    for secret in secrets:
        line = line.replace(secret, "[hidden]")
    return line
