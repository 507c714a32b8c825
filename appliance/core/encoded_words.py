"""Encoded words, read (RFC 2047): what people see of a subject or a name.

Forgiving where readers are: words may touch other text, and a character may be
cut between two words of one character set. What cannot be decoded stays as it
stands. The time is linear in the text.
"""

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.core.charsets import find_codec

# The language that RFC 2231 5 lets follow the character set says nothing here.
_WORD = re.compile(
    r"=\?([A-Za-z0-9_.:+\-]{1,40})(?:\*[A-Za-z0-9\-]{0,40})?"
    r"\?([BbQq])\?([!->@-~]*+)\?="
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*+={0,2}")
_Q = re.compile(r"(?>(?:[^=]|=[0-9A-Fa-f]{2})*)")
_BLANKS = " \t\r\n"
# Controls, what some readers take for line ends, and halves of characters.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(slots=True)
class _Run:
    """Words of one character set with nothing but blanks between them."""

    codec: str
    octets: bytearray
    start: int
    end: int


def decode_words(text: str) -> str:
    """``text`` as it is meant to be seen; every control character is a blank."""
    return _UNSEEN.sub(" ", _decoded(text) if "=?" in text else text)


def _decoded(text: str) -> str:
    out: list[str] = []
    done = 0
    for run in _runs(text):
        try:
            word = run.octets.decode(run.codec)
        except UnicodeError:
            continue
        between = text[done : run.start]
        # Blanks between two words are there for the fold (RFC 2047 6.2).
        if not done or between.strip(_BLANKS):
            out.append(between)
        out.append(word)
        done = run.end
    out.append(text[done:])
    return "".join(out)


def _runs(text: str) -> Iterator[_Run]:
    run: _Run | None = None
    for word in _WORD.finditer(text):
        codec, octets = find_codec(word[1]), _octets(word[2], word[3])
        if not codec or octets is None:
            continue
        if run is not None:
            between = text[run.end : word.start()]
            if run.codec == codec and not between.strip(_BLANKS):
                run.octets += octets
                run.end = word.end()
                continue
            yield run
        run = _Run(codec, bytearray(octets), *word.span())
    if run is not None:
        yield run


def _octets(encoding: str, text: str) -> bytes | None:
    """What one word encodes, or None if that is broken."""
    if encoding in "Qq":
        return a2b_qp(text, header=True) if _Q.fullmatch(text) else None
    if not _BASE64.fullmatch(text):
        return None
    bare = text.rstrip("=")
    try:
        return a2b_base64(bare + "=" * (-len(bare) % 4))
    except Error:  # one character more than whole octets have
        return None
