"""Lines as Postfix writes them, of one mail after the other."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

HEADER = "X-Sendpost-Message-UUID"
STAMP = "Nov 26 05:00:00"


def uuid_of(number: int) -> UUID:
    """The id of the delivery with that number: a version 7, as ours are."""
    return UUID(int=(0x0193 << 112) | (7 << 76) | (2 << 62) | number)


def queue_id_of(number: int) -> str:
    """A short queue id."""
    return f"{0xA00000000 + number:X}"


def line(program: str, text: str, stamp: str = STAMP, tag: str = "postfix") -> bytes:
    """One line with its end."""
    return f"{stamp} mx {tag}/{program}[123]: {text}\n".encode()


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail on its way through Postfix; each method is what one step logs."""

    number: int = 1
    to: str = "bob@example.org"
    stamp: str = STAMP
    tag: str = "postfix"
    sender: str | None = None
    queue_id: str = field(default="")

    @property
    def id(self) -> str:
        """The queue id."""
        return self.queue_id or queue_id_of(self.number)

    @property
    def uuid(self) -> UUID:
        """The delivery."""
        return uuid_of(self.number)

    @property
    def return_path(self) -> str:
        """The envelope sender."""
        if self.sender is not None:
            return self.sender
        return f"bounces+{self.uuid}+1@sp-bounce.example.com"

    def header(self, name: str = HEADER) -> bytes:
        """Cleanup's line by the rule of header_checks."""
        return self._line(
            "cleanup",
            f"info: header {name}: {self.uuid} from localhost[127.0.0.1];"
            f" from=<{self.return_path}> to=<{self.to}> proto=ESMTP helo=<postroom>",
        )

    def message_id(self, text: str = "<x@example.com>") -> bytes:
        """Cleanup's line for each mail."""
        return self._line("cleanup", f"message-id={text}")

    def queued(self) -> bytes:
        """The queue manager takes it up."""
        text = f"from=<{self.return_path}>, size=4711, nrcpt=1 (queue active)"
        return self._line("qmgr", text)

    def tried(
        self,
        status: str = "sent",
        said: str = "250 2.0.0 Ok: queued as 9",
        dsn: str = "2.0.0",
        *,
        relay: str = "mx.example.org[192.0.2.1]:25",
        program: str = "smtp",
        original: str = "",
    ) -> bytes:
        """What became of it."""
        orig = f" orig_to=<{original}>," if original else ""
        return self._line(
            program,
            f"to=<{self.to}>,{orig} relay={relay}, delay=0.5, delays=0.1/0/0.2/0.2,"
            f" dsn={dsn}, status={status} ({said})",
        )

    def bounced(self) -> bytes:
        """Refused for good."""
        said = "host mx.example.org[192.0.2.1] said: 550 5.1.1 User unknown"
        return self.tried("bounced", said, "5.1.1")

    def deferred(self) -> bytes:
        """Put off."""
        said = "host mx.example.org[192.0.2.1] said: 450 4.2.1 Try later"
        return self.tried("deferred", said, "4.2.1")

    def expired(self) -> bytes:
        """Given up for its age."""
        text = f"from=<{self.return_path}>, status=expired, returned to sender"
        return self._line("qmgr", text)

    def removed(self) -> bytes:
        """Out of the queue."""
        return self._line("qmgr", "removed")

    def whole(self, end: bytes | None = None) -> bytes:
        """Its walk from the first line to the last."""
        last = self.tried() if end is None else end
        first = line("smtpd", f"{self.id}: client=localhost[127.0.0.1]", self.stamp)
        into = (first, self.header(), self.message_id(), self.queued())
        return b"".join([*into, last, self.removed()])

    def _line(self, program: str, text: str) -> bytes:
        return line(program, f"{self.id}: {text}", self.stamp, self.tag)


def append(file: Path, *texts: bytes) -> None:
    """Write on, as the server does."""
    with file.open("ab") as opened:
        opened.write(b"".join(texts))
