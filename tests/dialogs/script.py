r"""Transcripts of SMTP dialogues: what they say, and whether a reply is the one.

A file is a list of lines; blank ones and those that begin with ``#`` say nothing.

    C: EHLO client.example    the client says this line
    C| text\r\n                it sends just these bytes, escapes as in Python
    S: 250 2.1.0 Ok           the server says this line; ``<uuid>`` stands for any
                              UUID, ``...`` for anything
    TLS                       both shake hands
    CLOSED                    the server has hung up
    CONNECT                   the client comes again, on a new connection
    FILL 6000000              it sends so many bytes of text
    DISK FULL                 the database cannot grow any more
    DISK FREE                 it can again

In a client's line ``{plain USER PASSWORD}`` is the response of AUTH PLAIN and
``{b64 TEXT}`` the text in base64. The first lines may name the door that is come
by, and settings: ``door: submissions``, ``set: smtp.max_errors=3``.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

FOLDER = Path(__file__).parent
_LINE_OCTETS = 78
_WORD = re.compile(r"\{(plain|b64) ([^}]*)\}")
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class Act(Enum):
    """What one step of a transcript is."""

    SEND = auto()
    EXPECT = auto()
    TLS = auto()
    CLOSED = auto()
    CONNECT = auto()
    DISK_FULL = auto()
    DISK_FREE = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``data`` is what is sent, or the pattern of what is expected."""

    number: int
    act: Act
    data: bytes = b""

    def matches(self, line: bytes) -> bool:
        """True if the server's line is the one that is expected."""
        return re.fullmatch(self.data, line) is not None


@dataclass(frozen=True, slots=True)
class Script:
    """One transcript."""

    name: str
    door: str
    settings: tuple[str, ...]
    steps: tuple[Step, ...]


def load_scripts() -> list[Script]:
    """All transcripts of this folder, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.smtp"))]


def _read(path: Path) -> Script:
    door = "submission"
    settings: list[str] = []
    steps: list[Step] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("door: "):
            door = line.removeprefix("door: ")
        elif line.startswith("set: "):
            settings.append(line.removeprefix("set: "))
        elif line and not line.startswith("#"):
            steps += _steps(path.name, number, line)
    return Script(path.stem, door, tuple(settings), tuple(steps))


_BARE = {
    "TLS": Act.TLS,
    "CLOSED": Act.CLOSED,
    "CONNECT": Act.CONNECT,
    "DISK FULL": Act.DISK_FULL,
    "DISK FREE": Act.DISK_FREE,
}


def _steps(name: str, number: int, line: str) -> Iterator[Step]:
    if line in _BARE:
        yield Step(number, _BARE[line])
        return
    mark, _, text = line.partition(" ")
    match mark:
        case "C:":
            yield Step(number, Act.SEND, _filled(text).encode() + b"\r\n")
        case "C|":
            raw = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
            yield Step(number, Act.SEND, raw)
        case "S:":
            yield Step(number, Act.EXPECT, _pattern(text))
        case "FILL":
            whole = b"x" * _LINE_OCTETS + b"\r\n"
            yield Step(number, Act.SEND, whole * (int(text) // len(whole) + 1))
        case _:
            raise ValueError(f"{name}:{number}: {line!r}")


def _filled(text: str) -> str:
    return _WORD.sub(_word, text)


def _word(match: re.Match[str]) -> str:
    text = match[2]
    if match[1] == "plain":
        username, password = text.split(" ")
        text = f"\0{username}\0{password}"
    return b64encode(text.encode()).decode()


def _pattern(text: str) -> bytes:
    escaped = re.escape(text).replace("<uuid>", _UUID).replace(r"\.\.\.", ".*")
    return escaped.encode()
