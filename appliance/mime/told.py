"""What strangers' reports tell, made into values of ours or into nothing.

Each reader takes any text, cuts it, and answers "" or 0 for what it cannot read.
"""

import calendar
import re

import idna

from appliance.core.address import (
    MAX_ADDRESS_OCTETS,
    MAX_LOCAL_OCTETS,
    parse_address,
)
from appliance.mime.returned import MAX_DIAGNOSTIC_CHARS, MAX_NAME_CHARS

# Controls but TAB and LF, what some take for line ends, and halves of characters.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
# An address in the middle of prose: no quotes there, and nobody misses them.
_LOCAL = r"[^\s<>()\[\]\"',;:@\\]{1,64}"
_DOMAIN = (
    r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9.\u0080-\U0010ffff\-]{0,253}"
    r"[A-Za-z0-9\u0080-\U0010ffff])?"
)
ADDRESS = rf"{_LOCAL}@{_DOMAIN}"

_MAX_TOLD_CHARS = 1_000
_MAX_IDN_CHARS = 100  # idna's work grows faster than its input
_MAX_AT_SIGNS = 20
_LOCAL_BACKWARDS = re.compile(_LOCAL)
_DOMAIN_AHEAD = re.compile(_DOMAIN)
_TYPE = re.compile(r"\s*([A-Za-z0-9.+\-]{1,32})\s*;")  # RFC 3464 2.1.2
_BRACKETS = re.compile(r"<\s*([^<>]*+)>")
_X400 = re.compile(r"\Asmtp=", re.IGNORECASE)  # as X.400 names carry an address
_COMMENT = re.compile(r"\s\(.*\Z")
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")  # RFC 6533 3
_HEX = re.compile(r"\+([0-9A-F]{2})")  # xtext (RFC 3461 4)
_STATUS = re.compile(
    r"(?<![\w.])#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9]|\.[0-9])", re.ASCII
)
_BOTH = re.compile(
    r"(?<![\w.@#-])([245][0-5][0-9])[ -]{1,3}#?"
    r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9]|\.[0-9])",
    re.ASCII,
)
_CODE = re.compile(
    r"(?:^|said: ?|smtp; ?|reason: ?|<<< |[:(;>\"'#] ?)"
    r"([245][0-5][0-9])(?=[ :;,-]|$)",
    re.ASCII | re.IGNORECASE | re.MULTILINE,
)
_DATE = re.compile(
    r"(?<![0-9])([0-9]{1,2}) ([A-Z][a-z]{2})[a-z]* ([0-9]{4}) "
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?: ?([+-])([0-9]{2})([0-9]{2}))?",
    re.ASCII,
)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_GENERIC = ".0.0"


def seen(text: str) -> str:
    """``text`` with a blank for each character that has no place in a text."""
    return UNSEEN.sub(" ", text)


def one_line(text: str) -> str:
    """The words of ``text`` with single blanks between them, cut."""
    return " ".join(seen(text[: 4 * MAX_DIAGNOSTIC_CHARS]).split())[
        :MAX_DIAGNOSTIC_CHARS
    ].rstrip()


def untyped(text: str) -> str:
    """The value behind its type: ``dns; mx.example.com`` (RFC 3464 2.1.2)."""
    match = _TYPE.match(text)
    return text[match.end() :].strip() if match else text.strip()


def read_name(text: str) -> str:
    """A host's name as a report has it, without its type and comments."""
    name = _COMMENT.sub("", untyped(one_line(text)))
    return name.strip(" <>").rstrip(".")[:MAX_NAME_CHARS]


def read_address(text: str) -> str:
    """The address in a field of a report, "" if there is none that we could write.

    Takes the types rfc822 and utf-8 (RFC 6533 3), or any other that holds an
    address; brackets, comments and ``smtp:`` around it are dropped.
    """
    told = untyped(seen(text[:_MAX_TOLD_CHARS]))
    told = _EMBEDDED.sub(_character, told)
    if "@" not in told:  # xtext that was never decoded
        told = _HEX.sub(lambda match: chr(int(match[1], 16)), told)
    if bracket := _BRACKETS.search(told):
        told = bracket[1]
    return _plain(_COMMENT.sub("", told).strip()) or find_address(told)


def find_address(prose: str) -> str:
    """The first address in ``prose`` that could be one, "" if there is none."""
    prose = prose[:_MAX_TOLD_CHARS]
    at = prose.find("@")
    for _ in range(_MAX_AT_SIGNS):
        if at < 0:
            break
        local = _LOCAL_BACKWARDS.match(prose[max(0, at - MAX_LOCAL_OCTETS) : at][::-1])
        domain = _DOMAIN_AHEAD.match(prose, at + 1)
        if local and domain and (found := _plain(f"{local[0][::-1]}@{domain[0]}")):
            return found
        at = prose.find("@", at + 1)
    return ""


def read_reply(text: str) -> tuple[int, str]:
    """The reply code and the status that a text tells, 0 and "" where it does not."""
    if both := _BOTH.search(text):
        return int(both[1]), both[2]
    code = _CODE.search(text)
    return int(code[1]) if code else 0, read_status_code(text)


def read_status_code(text: str) -> str:
    """The first enhanced status of three numbers (RFC 3463 2)."""
    match = _STATUS.search(text)
    return match[1] if match else ""


def better_status(field: str, told: str) -> str:
    """The status of a report's own field, unless the words tell the same closer."""
    if not field or (field.endswith(_GENERIC) and field[0] == told[:1]):
        return told or field
    return field


def read_date(text: str) -> int:
    """The moment of an RFC 5322 date in Unix time, 0 if it is none."""
    match = _DATE.search(one_line(text))
    if match is None or match[2] not in _MONTHS:
        return 0
    day, year, hour, minute = (int(match[group]) for group in (1, 3, 4, 5))
    if not 1970 <= year <= 9999 or not 0 < day <= 31:  # noqa: PLR2004 - calendar
        return 0
    parts = (year, _MONTHS[match[2]], day, hour, minute, int(match[6] or 0))
    east = int(match[8] or 0) * 3600 + int(match[9] or 0) * 60
    return max(0, calendar.timegm(parts) - (-east if match[7] == "-" else east))


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return seen(chr(number)) if number <= 0x10FFFF else ""  # noqa: PLR2004 - Unicode


def _plain(told: str) -> str:
    """``told`` as our addresses are spelled, "" if it is none."""
    local, at, domain = _X400.sub("", told).rpartition("@")
    domain = domain.rstrip(".")
    if not at or not domain or len(told) > MAX_ADDRESS_OCTETS:
        return ""
    if not domain.isascii():
        if len(domain) > _MAX_IDN_CHARS:
            return ""
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except UnicodeError:  # idna's own errors are all of this kind
            return ""
    address = parse_address(f"{local}@{domain}")
    return str(address) if address else ""
