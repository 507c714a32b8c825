"""Mail as others write it, built with the standard library's encoders."""

import base64

SIMPLE = '<p><a href="https://x.org/a">x</a></body>'

PLAIN = set(range(0x21, 0x7F)) - {ord("=")}


def crlf(data: bytes) -> bytes:
    """``data`` with CRLF for every line end."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def encoded(data: bytes, encoding: str) -> bytes:
    """``data`` as a body in a transfer encoding."""
    if encoding == "base64":
        return crlf(base64.encodebytes(data)).removesuffix(b"\r\n")
    if encoding == "quoted-printable":
        return b"\r\n".join(map(_quoted, data.split(b"\r\n")))
    return data


def _quoted(line: bytes) -> bytes:
    units = [b"%c" % one if one in PLAIN else b"=%02x" % one for one in line]
    starts = range(0, len(units), 20)
    return b"=\r\n".join(b"".join(units[start : start + 20]) for start in starts)


def part(
    html: str | bytes = SIMPLE,
    *,
    kind: str = "text/html",
    charset: str = "utf-8",
    encoding: str = "",
    more: str = "",
) -> bytes:
    """One part: its header and its body. ``more`` are whole fields."""
    data = html.encode(charset or "ascii") if isinstance(html, str) else html
    named = f"; charset={charset}" if charset else ""
    header = f"Content-Type: {kind}{named}\r\n{more}"
    if encoding:
        header += f"Content-Transfer-Encoding: {encoding}\r\n"
    return header.encode() + b"\r\n" + encoded(data, encoding)


def multipart(
    subtype: str, *parts: bytes, boundary: str = "b0", more: str = ""
) -> bytes:
    """The parts between delimiters, with a preamble and an epilogue."""
    header = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n{more}\r\n'
    delimiter = f"\r\n--{boundary}".encode()
    between = b"".join(delimiter + b"\r\n" + one for one in parts)
    return header.encode() + b"preamble" + between + delimiter + b"--\r\nepilogue\r\n"


def message(entity: bytes, fields: str = "") -> bytes:
    """A mail that holds one entity."""
    return f"From: a@b.example\r\n{fields}MIME-Version: 1.0\r\n".encode() + entity
