"""Words of a header field: what RFC 2047, 2231 and 5322 make of Unicode text.

Decides how a piece of text is spelled in ASCII. Where lines are folded is
``headers``' business; here only the longest piece is bounded.
"""

import re
from binascii import b2a_base64
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote

ENCODED_WORD_CHARS = 75  # RFC 2047 2
_FRAME_CHARS = len("=?utf-8?q??=")
_LEAST_ROOM = 12  # one character of four octets in Q
_LONGEST_PLAIN_WORD = 400  # quoted, still a line of 998 (RFC 5322 2.1.1)
_PARAMETER_CHARS = 56  # keeps ` filename*12*=...;` under 78

# RFC 2047 5 (3): what may stand for itself in a phrase may do so everywhere.
_Q_SAFE = re.compile(r"[A-Za-z0-9!*+/\-]")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"  # RFC 5322 3.2.3
_ATOMS = re.compile(rf"{_ATEXT}++(?>(?: {_ATEXT}++)*)")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+^_`{|}~.\-]++")  # RFC 2045 5.1
_ESCAPED = re.compile(r'(["\\])')


def encode_text(text: str, first_line_room: int) -> str:
    """``text`` with the words that ASCII cannot spell as encoded-words.

    Everything from the first to the last such word is encoded, since blanks
    between two encoded-words would be lost (RFC 2047 6.2).
    """
    words = text.split(" ")
    odd = [index for index, word in enumerate(words) if _needs_encoding(word)]
    if not odd:
        return text
    first, last = odd[0], odd[-1] + 1
    room = first_line_room if first == 0 else ENCODED_WORD_CHARS
    encoded = encoded_words(" ".join(words[first:last]), room)
    return " ".join([*words[:first], *encoded, *words[last:]])


def encoded_words(text: str, first_room: int = ENCODED_WORD_CHARS) -> list[str]:
    """``text`` as encoded-words in the shorter of Q and B, none above 75 characters.

    No character is split between two of them (RFC 2047 5). The first is not
    longer than ``first_room`` where that leaves room for anything.
    """
    rest = ENCODED_WORD_CHARS - _FRAME_CHARS
    first = min(first_room - _FRAME_CHARS, rest)
    if first < _LEAST_ROOM:
        first = rest
    spelled_q = sum(len(_q(char)) for char in text)
    spelled_b = (len(text.encode()) + 2) // 3 * 4
    if spelled_q <= spelled_b:
        pieces = _cut(text, lambda char: len(_q(char)), first, rest)
        return [f"=?utf-8?q?{''.join(map(_q, piece))}?=" for piece in pieces]
    pieces = _cut(text, lambda char: len(char.encode()), first // 4 * 3, rest // 4 * 3)
    return [f"=?utf-8?b?{_b64(piece)}?=" for piece in pieces]


def phrase(name: str, first_line_room: int) -> str:
    """A display name: bare atoms, a quoted string, or encoded-words."""
    if _needs_encoding(name):
        return " ".join(encoded_words(name, first_line_room))
    if _ATOMS.fullmatch(name):
        return name
    return quoted(name)


def quoted(text: str) -> str:
    """``text`` as a quoted-string (RFC 5322 3.2.4); it holds no control character."""
    return '"' + _ESCAPED.sub(r"\\\1", text) + '"'


def parameter(name: str, value: str) -> list[str]:
    """``name=value`` as one or more parameters: plain, quoted, or by RFC 2231."""
    if value.isascii() and len(value) <= _LONGEST_PLAIN_WORD:
        bare = _TOKEN.fullmatch(value) is not None
        return [f"{name}={value if bare else quoted(value)}"]
    rest = _PARAMETER_CHARS
    pieces = _cut(value, lambda char: len(_percent(char)), rest - len("utf-8''"), rest)
    spelled = ["".join(map(_percent, piece)) for piece in pieces]
    spelled[0] = "utf-8''" + spelled[0]
    if len(spelled) == 1:
        return [f"{name}*={spelled[0]}"]
    return [f"{name}*{index}*={piece}" for index, piece in enumerate(spelled)]


def ascii_fallback(text: str) -> str:
    """``text`` with "_" for what ASCII lacks, for readers without RFC 2231."""
    return "".join(char if char.isascii() else "_" for char in text)


def _needs_encoding(word: str) -> bool:
    """True if ``word`` is not ASCII, or would be taken for an encoded-word."""
    return not word.isascii() or "=?" in word or len(word) > _LONGEST_PLAIN_WORD


def _cut(text: str, cost: Callable[[str], int], first: int, rest: int) -> list[str]:
    pieces: list[str] = []
    start, room = 0, first
    for index, char in enumerate(text):
        need = cost(char)
        if need > room:
            pieces.append(text[start:index])
            start, room = index, rest
        room -= need
    pieces.append(text[start:])
    return pieces


@lru_cache(maxsize=1024)
def _q(char: str) -> str:
    if char == " ":
        return "_"
    if _Q_SAFE.fullmatch(char):
        return char
    return "".join(f"={octet:02X}" for octet in char.encode())


@lru_cache(maxsize=1024)
def _percent(char: str) -> str:
    return quote(char, safe="")


def _b64(text: str) -> str:
    return b2a_base64(text.encode(), newline=False).decode()
