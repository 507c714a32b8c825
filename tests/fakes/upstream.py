"""An SMTP server that follows a script, for every way in which one can misbehave.

Without a script it is a good server: it keeps what it accepts in `received`. A
script names, per verb, what to do instead: for each occurrence in a list, or
each time. `None` in a list is the normal answer.

    upstream = FakeUpstream(Script({"RCPT": [None, Say("550 5.1.1 unknown")]}))
    port = await upstream.start(nursery)

The n-th connection follows the n-th script, the last script serves the rest.
"""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import trio
import trio.testing

_KEYWORDS: Final = (
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "SIZE 10485760",
    "ENHANCEDSTATUSCODES",
    "AUTH PLAIN LOGIN",
)


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with this; text gets its line end, bytes go out as they are."""

    what: str | bytes

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""
        if isinstance(self.what, bytes):
            return self.what
        return self.what.encode() + b"\r\n"


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until the event is set."""

    event: trio.Event


@dataclass(frozen=True, slots=True)
class Close:
    """Hang up."""


@dataclass(frozen=True, slots=True)
class Endless:
    """Send this over and over until the other side hangs up."""

    chunk: bytes


Action = Say | Hold | Close | Endless
Doing = Action | tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """What one connection does.

    The verbs of `steps`: BANNER, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, DOT
    (the answer to the final dot), RSET, NOOP, QUIT.
    """

    steps: Mapping[str, Doing | list[Doing | None]] = field(default_factory=dict)
    keywords: tuple[str, ...] = _KEYWORDS


@dataclass(frozen=True, slots=True)
class Received:
    """One message the server took."""

    sender: str  # with its parameters, as MAIL had it
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool


class _HungUpError(Exception):
    """The session is over."""


class FakeUpstream:
    """The server; `context` offers STARTTLS, `implicit` begins with TLS."""

    def __init__(
        self,
        *scripts: Script,
        context: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.scripts = scripts or (Script(),)
        self.context = context
        self.implicit = implicit
        self.login = login
        self.received: list[Received] = []
        self.commands: list[list[str]] = []  # per connection

    @property
    def verbs(self) -> list[list[str]]:
        """The verbs each connection was given, in order."""
        return [[line.split(" ")[0] for line in lines] for lines in self.commands]

    async def start(self, nursery: trio.Nursery) -> int:
        """Serve on loopback; returns the port."""
        listeners: list[trio.SocketListener] = await nursery.start(
            trio.serve_tcp, self.handle, 0
        )
        port: int = listeners[0].socket.getsockname()[1]
        return port

    def connect(self, nursery: trio.Nursery) -> trio.abc.Stream:
        """A connection through memory; deterministic, so good for clocks."""
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(self.handle, theirs)
        return ours

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one connection to its end."""
        script = self.scripts[min(len(self.commands), len(self.scripts) - 1)]
        session = _Session(self, stream, script)
        self.commands.append(session.lines)
        try:
            await session.run()
        except (_HungUpError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(session.stream)


class _Session:
    def __init__(
        self, upstream: FakeUpstream, stream: trio.abc.Stream, script: Script
    ) -> None:
        self.upstream = upstream
        self.stream = stream
        self.script = script
        self.lines: list[str] = []
        self.encrypted = False
        self._buffer = b""
        self._counts: dict[str, int] = {}
        self._sender: str | None = None
        self._recipients: list[str] = []

    async def run(self) -> None:
        if self.upstream.implicit:
            await self._cover()
        await self._do("BANNER", "220 fake.test ESMTP")
        while True:
            line = (await self._until(b"\r\n")).decode("utf-8", "surrogateescape")
            self.lines.append(line)
            verb = line.split(" ")[0].upper()
            await getattr(self, f"_on_{verb.lower()}", self._on_unknown)(line)

    async def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            data = await self.stream.receive_some(65536)
            if not data:
                raise _HungUpError
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(end)
        return found

    async def _do(self, verb: str, normal: str) -> str:
        """Follow the script or answer normally; returns what was answered."""
        doing = self._scripted(verb)
        if doing is None:
            doing = Say(normal)
        said = ""
        for action in doing if isinstance(doing, tuple) else (doing,):
            said += await self._act(action)
        return said

    def _scripted(self, verb: str) -> Doing | None:
        step = self.script.steps.get(verb)
        if not isinstance(step, list):
            return step
        count = self._counts.get(verb, 0)
        self._counts[verb] = count + 1
        return step[count] if count < len(step) else None

    async def _act(self, action: Action) -> str:
        if isinstance(action, Say):
            await self.stream.send_all(action.raw)
            return action.raw.decode("utf-8", "replace")
        if isinstance(action, Hold):
            await action.event.wait()
            return ""
        while isinstance(action, Endless):
            await self.stream.send_all(action.chunk)
        raise _HungUpError

    async def _cover(self) -> None:
        assert self.upstream.context is not None
        covered = trio.SSLStream(
            self.stream,
            self.upstream.context,
            server_side=True,
            https_compatible=True,
        )
        self.stream = covered
        await covered.do_handshake()
        self.encrypted = True
        self._buffer = b""

    async def _on_unknown(self, _line: str) -> None:
        await self._do("UNKNOWN", "500 5.5.2 what?")

    async def _on_ehlo(self, _line: str) -> None:
        words = ["fake.test", *self.script.keywords]
        if self.upstream.context is not None and not self.encrypted:
            words.append("STARTTLS")
        lines = [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]
        await self._do("EHLO", "\r\n".join(lines))

    async def _on_helo(self, _line: str) -> None:
        await self._do("HELO", "250 fake.test")

    async def _on_starttls(self, _line: str) -> None:
        said = await self._do("STARTTLS", "220 2.0.0 go on")
        if said.startswith("2"):
            await self._cover()

    async def _on_auth(self, line: str) -> None:
        words = line.split(" ")
        if words[1] == "PLAIN":
            given = base64.b64decode(words[2]).decode().split("\0")[1:]
        else:
            given = [await self._challenge("Username:")]
            given.append(await self._challenge("Password:"))
        good = self.upstream.login == tuple(given)
        await self._do("AUTH", "235 2.7.0 welcome" if good else "535 5.7.8 no")

    async def _challenge(self, word: str) -> str:
        await self.stream.send_all(b"334 " + base64.b64encode(word.encode()) + b"\r\n")
        return base64.b64decode(await self._until(b"\r\n")).decode()

    async def _on_mail(self, line: str) -> None:
        bad = "503 5.5.1 nested MAIL"
        said = await self._do("MAIL", "250 2.1.0 ok" if self._sender is None else bad)
        if said.startswith("2"):
            self._sender = line.partition(":")[2]

    async def _on_rcpt(self, line: str) -> None:
        bad = "503 5.5.1 MAIL first"
        said = await self._do("RCPT", bad if self._sender is None else "250 2.1.5 ok")
        if said.startswith("2"):
            self._recipients.append(line.partition(":")[2])

    async def _on_data(self, _line: str) -> None:
        bad = "554 5.5.1 no valid recipients"
        said = await self._do("DATA", "354 go on" if self._recipients else bad)
        if said.startswith("354"):
            # The line end in front lets a lone dot end an empty message.
            self._buffer = b"\r\n" + self._buffer
            raw = await self._until(b"\r\n.\r\n")
            await self._on_content((raw + b"\r\n")[2:].replace(b"\r\n.", b"\r\n"))

    async def _on_content(self, content: bytes) -> None:
        content = content.removeprefix(b".")
        number = len(self.upstream.received) + 1
        sender, recipients = self._sender or "", tuple(self._recipients)
        self._forget()
        # Before the answer, as a server that dies between the two has it.
        message = Received(sender, recipients, content, self.encrypted)
        self.upstream.received.append(message)
        said = await self._do("DOT", f"250 2.0.0 queued as {number}")
        if said[:1] in "45" and said:
            self.upstream.received.remove(message)

    def _forget(self) -> None:
        self._sender = None
        self._recipients = []

    async def _on_rset(self, _line: str) -> None:
        self._forget()
        await self._do("RSET", "250 2.0.0 ok")

    async def _on_noop(self, _line: str) -> None:
        await self._do("NOOP", "250 2.0.0 ok")

    async def _on_quit(self, _line: str) -> None:
        await self._do("QUIT", "221 2.0.0 bye")
        raise _HungUpError
