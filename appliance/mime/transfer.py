"""Content-Transfer-Encoding, both ways (RFC 2045 6).

What is encoded here comes out as the octets that went in. What others encoded
is decoded only if it is not broken: readers differ over the rest.
"""

import re
from binascii import Error, a2b_base64, a2b_qp, b2a_base64, b2a_qp

from appliance.core.fields import MAX_LINE_OCTETS
from appliance.smtp.grammar import has_lone_line_end

_BASE64_LINE = 76  # RFC 2045 6.8
_BLOCK_LINES = 4096
_LONE_DOT = re.compile(rb"^\.(?=\r\n|\Z)", re.MULTILINE)
_FULL_LINE_WITH_BLANK = re.compile(rb"^([^\r\n]{74,75})(=20|=09)(?=\r?$)", re.MULTILINE)
_UNIT = rb"(?:[^=\r\n]|=[0-9A-F]{2})"
_OVERFULL_LINE = re.compile(
    rb"^(?=[^\r\n]{77}\r?$)(%b+)(%b=)(?=\r?$)" % (_UNIT, _UNIT), re.MULTILINE
)
_FROM_LINE = re.compile(rb"^From ", re.MULTILINE)
_BROKEN_QP = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r\n|\Z)")
_BLANKS = b" \t\r\n"


def has_long_line(data: bytes) -> bool:
    """True if a line is longer than SMTP carries (RFC 5322 2.1.1)."""
    return max(map(len, data.split(b"\r\n"))) > MAX_LINE_OCTETS


def is_seven_bit(data: bytes) -> bool:
    """True if ``data`` passes every relay as it is (RFC 2045 2.7).

    A line that begins with "From " does not: mailboxes put a ">" before it.
    """
    return (
        data.isascii()
        and b"\0" not in data
        and not has_long_line(data)
        and b"\nFrom " not in data  # a pattern takes thirty times as long
        and not data.startswith(b"From ")
    )


def quoted_printable(data: bytes) -> bytes:
    """RFC 2045 6.7, with blanks at line ends, lone dots and From lines guarded.

    A CR or LF that stands alone is spelled out, so that it stays what it is.
    """
    if has_lone_line_end(data):
        lines = (b2a_qp(line, istext=False) for line in data.split(b"\r\n"))
        coded = b"\r\n".join(line.replace(b"\n", b"\r\n") for line in lines)
        # It takes a lone LF for a line end when it counts, not when it writes.
        coded = _OVERFULL_LINE.sub(rb"\1=\r\n\2", coded)
    else:
        coded = b2a_qp(data, istext=True)
        if b"\r\n" not in data:  # its soft line breaks take after the first line end
            coded = coded.replace(b"\n", b"\r\n")
    # It guards a lone dot too, but not one that its own line break leaves alone.
    coded = _LONE_DOT.sub(b"=2E", coded)
    # Nor does it count what a blank at the end of a full line grows to.
    coded = _FULL_LINE_WITH_BLANK.sub(rb"\1=\r\n\2", coded)
    # A soft line break inside the word keeps the line within 76, which "=46rom"
    # would not.
    return _FROM_LINE.sub(b"F=\r\nrom ", coded)


def base64_lines(content: bytes) -> bytes:
    """Base64 on lines of 76, without a line end at its end."""
    out: list[bytes] = []
    step = _BASE64_LINE // 4 * 3 * _BLOCK_LINES
    for start in range(0, len(content), step):
        coded = b2a_base64(content[start : start + step], newline=False)
        out += [
            coded[at : at + _BASE64_LINE] for at in range(0, len(coded), _BASE64_LINE)
        ]
    return b"\r\n".join(out)


def read_quoted_printable(coded: bytes) -> bytes | None:
    """The octets that ``coded`` stands for, or None if it is broken."""
    return None if _BROKEN_QP.search(coded) else a2b_qp(coded)


def read_base64(coded: bytes) -> bytes | None:
    """The octets that ``coded`` stands for, or None if it is broken."""
    digits = coded.translate(None, _BLANKS)
    if len(digits) % 4:  # more padding than is due passes for strict
        return None
    try:
        return a2b_base64(digits, strict_mode=True)
    except Error:
        return None
