"""JSON bodies to typed values, and what is wrong with those that are none.

Decides how a fault is located and worded; the types belong to each dialect.
"""

import codecs
import re
from dataclasses import dataclass
from typing import TypeVar

import msgspec

T = TypeVar("T")

_CHUNK_BYTES = 65_536

_LOCATED = re.compile(r"(?P<what>.*) - at `(?P<path>[^`]*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")


@dataclass(frozen=True, slots=True)
class Malformed:
    """Where and why a body does not read; ``path`` is like ``to[0].email``."""

    path: str
    what: str


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T | Malformed:
    """What ``body`` says, or what keeps it from saying it; never raises.

    All of it is UTF-8 (RFC 8259 8.1), also what the type does not look at.
    """
    try:
        _check_utf8(body)
        return decoder.decode(body)
    except RecursionError:
        return Malformed("", "The JSON is nested too deeply")
    except UnicodeDecodeError:
        return Malformed("", "The body is not UTF-8")
    except msgspec.DecodeError as error:
        return _locate(str(error))


def _check_utf8(body: bytes) -> None:
    """Pass if ``body`` is UTF-8; piecewise, as a copy may be four times as large.

    Raises:
        UnicodeDecodeError: it is not.
    """
    if body.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(body), _CHUNK_BYTES):
        decoder.decode(body[start : start + _CHUNK_BYTES])
    decoder.decode(b"", final=True)


def _locate(text: str) -> Malformed:
    """Put msgspec's path ``$.to[0].email`` into the vendors' form."""
    match = _LOCATED.fullmatch(text)
    what, path = (match["what"], match["path"]) if match else (text, "")
    # Below a key of a free object msgspec only says [...]: name the object.
    path = path.removeprefix("$").removeprefix(".").partition("[...]")[0]
    missing = _MISSING.fullmatch(what)
    if missing is None:
        return Malformed(path, what)
    whole = f"{path}.{missing['name']}" if path else missing["name"]
    return Malformed(whole, f"{whole} is required")
