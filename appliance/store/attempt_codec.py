"""What was said about one try, as bytes and back.

A leading byte names the form. The connection's part is packed and compressed once and
is the same bytes in the rows of all mails that it carried; a mail's own part is one
call of the encoder. Notes are put into words only when somebody reads them.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from appliance.core.attempt import Connection, Said
from appliance.smtp.reply import printable
from appliance.smtp.trail import Note, Opening, Trail

_FORM_1 = b"\x01"


class _Reply(msgspec.Struct):
    """An answer as ``smtp.reply.Reply`` has it."""

    code: int
    lines: tuple[str, ...]
    enhanced: tuple[int, int, int] | None = None


_Note: TypeAlias = bytes | _Reply


class _Opening(msgspec.Struct, array_like=True):
    """Fields may be added at the end, with a default."""

    peer: str
    tls: str
    cipher: str
    certificate: dict[str, str]
    connect_s: float | None
    tls_s: float | None
    ready_s: float | None
    notes: tuple[_Note, ...]


class _Form1(msgspec.Struct, array_like=True):
    """Fields may be added at the end, with a default; no opening is empty bytes."""

    opening: bytes
    envelope_s: float | None
    answer_s: float | None
    notes: tuple[_Note, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Form1)
_opening_decoder = msgspec.msgpack.Decoder(_Opening)


@dataclass(frozen=True, slots=True)
class Detail:
    """What the bytes of a try hold."""

    connection: Connection | None
    envelope_s: float | None
    answer_s: float | None
    dialogue: tuple[Said, ...]


def encode_trail(trail: Trail) -> bytes:
    """The bytes of what was said about a mail."""
    opening = trail.opening
    content_at = trail.content_at
    parts = (
        b"" if opening is None else _packed(opening),
        content_at - trail.began_at if content_at else None,
        trail.ended_at - content_at if content_at else None,
        trail.notes,
    )
    return _FORM_1 + _encoder.encode(parts)


def decode_trail(data: bytes) -> Detail:
    """What was encoded, in words.

    Raises:
        ValueError: the bytes are of no form that this program knows.
    """
    if data[:1] != _FORM_1:
        raise ValueError(f"an attempt of unknown form {data[:1].hex()}")
    form = _decoder.decode(memoryview(data)[1:])
    return Detail(
        _connection(form.opening) if form.opening else None,
        form.envelope_s,
        form.answer_s,
        tuple(_words(form.notes)),
    )


def _packed(opening: Opening) -> bytes:
    if opening.packed is None:
        parts = (
            opening.peer,
            opening.tls,
            opening.cipher,
            dict(opening.certificate),
            opening.connect_s,
            opening.tls_s,
            opening.ready_s,
            list[Note](opening.notes),
        )
        opening.packed = zlib.compress(_encoder.encode(parts))
    return opening.packed


def _connection(data: bytes) -> Connection:
    form = _opening_decoder.decode(zlib.decompress(data))
    return Connection(
        form.peer,
        form.tls,
        form.cipher,
        form.certificate,
        form.connect_s,
        form.tls_s,
        form.ready_s,
        tuple(_words(form.notes)),
    )


def _words(notes: Sequence[_Note]) -> Iterator[Said]:
    for note in notes:
        if isinstance(note, bytes):
            yield Said(ours=True, text=printable(note.rstrip(b"\r\n")))
        else:
            for line in _lines(note):
                yield Said(ours=False, text=line)


def _lines(reply: _Reply) -> Iterator[str]:
    """An answer as it came, its enhanced code on every line."""
    enhanced = "" if reply.enhanced is None else ".".join(map(str, reply.enhanced))
    last = len(reply.lines) - 1
    for number, line in enumerate(reply.lines):
        mark = " " if number == last else "-"
        yield (
            f"{reply.code}{mark}{enhanced} {line}"
            if enhanced
            else (f"{reply.code}{mark}{line}")
        )
