"""What a hostile or broken client may send: bytes, and the answer it earns.

The status is that of the first answer; None where the connection ends without
one. The first block is about upgrades: three of it end a stock server.
"""

from dataclasses import dataclass

ORDINARY = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Without a key; the version that makes it whole is left to the cases.
LIVE = (
    b"GET /postroom/v1/live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to send."""

    name: str
    sent: bytes
    status: int | None


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    """A GET request with these header lines."""
    head = b"GET " + target + b" HTTP/" + version + b"\r\nHost: a\r\n"
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A POST request with these header lines and bytes behind them."""
    head = b"POST /echo HTTP/" + version + b"\r\nHost: a\r\n"
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A POST request whose chunked body is given as it is on the wire."""
    return post(b"Transfer-Encoding: chunked", body=body)


def upgrade(*lines: bytes) -> bytes:
    """A websocket handshake that is not for the live door."""
    return get(b"Upgrade: websocket", b"Connection: Upgrade", *lines)


_UPGRADES = [
    Case("latin-1 subprotocol", upgrade(b"Sec-WebSocket-Protocol: \xff"), 200),
    Case(
        "h2c upgrade with bad settings",
        get(b"Upgrade: h2c", b"Connection: Upgrade", b"HTTP2-Settings: !!!"),
        200,
    ),
    Case(
        "h2c upgrade with settings of half a setting",
        get(b"Upgrade: h2c", b"Connection: Upgrade", b"HTTP2-Settings: AAA"),
        200,
    ),
    Case("h2c upgrade without settings", get(b"Upgrade: h2c"), 200),
    Case(
        "data behind a websocket upgrade",
        upgrade(
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        + b"\x81\x85\x00\x00\x00\x00hello",
        200,
    ),
]

_LINES = [
    Case("nothing", b"", None),
    Case("an empty line", b"\r\n", 400),
    Case("empty lines", b"\r\n" * 50, 400),
    Case("NULs", b"\x00" * 64, 400),
    Case("noise", bytes(range(256)) * 4, 400),
    Case("no line end", b"A" * 40_000, 431),
    Case("HTTP/0.9", b"GET /\r\n\r\n", 400),
    Case("HTTP/0.9 by version", get(version=b"0.9"), 505),
    Case("HTTP/1.2", get(version=b"1.2"), 505),
    Case("HTTP/2.0 in words", get(version=b"2.0"), 505),
    Case("HTTP/9.9", get(version=b"9.9"), 505),
    Case("HTTP/11", get(version=b"11"), 400),
    Case("lower-case http", b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    Case("no version", b"GET / \r\nHost: a\r\n\r\n", 400),
    Case("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    Case("a tab", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    Case("leading space", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    Case("space in the target", get(target=b"/a b"), 400),
    Case("NUL in the target", get(target=b"/\x00"), 400),
    Case("8-bit target", get(target=b"/\xc3\xa9"), 400),
    Case("huge request line", get(target=b"/" + b"a" * 60_000), 431),
    Case("a relative target", get(target=b"echo"), 400),
    Case("no path", get(target=b"?a=b"), 400),
    Case("asterisk of GET", get(target=b"*"), 400),
    Case("absolute form of another host", get(target=b"http://b/"), 400),
    Case("absolute form with user", get(target=b"http://u@a/"), 400),
    Case("absolute form of another scheme", get(target=b"ftp://a/"), 400),
    Case("absolute form without host", get(target=b"http:///"), 400),
    Case("CONNECT", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    Case("a method that is none", b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    Case("empty method", b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    Case("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    Case("an SSH banner", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    Case("SMTP", b"EHLO a\r\nMAIL FROM:<a@b>\r\n\r\n", 400),
    Case("PROXY protocol 1", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + get(), 400),
    Case(
        "PROXY protocol 2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"a" * 12, 400
    ),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 505),
    Case("broken HTTP/2 preface", b"PRI / HTTP/2.0\r\n\r\nXX\r\n\r\n", 505),
]

_HEADERS = [
    Case("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    Case("two Hosts", get(b"Host: b"), 400),
    Case("Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    Case("Host with a user", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    Case("a list of Hosts", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    Case("Host with a bad port", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    Case("a header without colon", get(b"X"), 400),
    Case("a header without name", get(b": x"), 400),
    Case("space before the colon", get(b"Content-Length : 5"), 400),
    Case("space in a name", get(b"X Y: z"), 400),
    Case("8-bit name", get(b"\xff: x"), 400),
    Case("NUL in a value", get(b"X: a\x00b"), 400),
    Case("CR in a value", get(b"X: a\rb"), 400),
    Case("first line folded", b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", 400),
    Case("obs-fold", get(b"X: a", b" b"), 200),
    Case("obs-fold of a framing", post(b"Transfer-Encoding:", b" chunked, x"), 501),
    Case("8-bit value", get(b"X: \xff\xfe"), 200),
    Case("many headers", get(*(b"X%d: y" % n for n in range(1_000))), 431),
    Case("many more headers", get(*(b"X%d: y" % n for n in range(9_000))), 431),
    Case("a huge value", get(b"X: " + b"y" * 20_000), 431),
    Case("a huger value", get(b"X: " + b"y" * 200_000), 431),
    Case("a huge name", get(b"X" * 20_000 + b": y"), 431),
    Case(
        "a header flood without end", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9_000, 431
    ),
    Case("half a header", b"GET / HTTP/1.1\r\nHost:", 400),
    Case("__proto__", get(b"__proto__: x", b"constructor: y"), 200),
]

_FRAMING = [
    Case("length negative", post(b"Content-Length: -1"), 400),
    Case("length with plus", post(b"Content-Length: +2", body=b"{}"), 400),
    Case("length in hex", post(b"Content-Length: 0x2", body=b"{}"), 400),
    Case("length with underscore", post(b"Content-Length: 1_0"), 400),
    Case("length empty", post(b"Content-Length:"), 400),
    Case("length in foreign digits", post("Content-Length: \u0662".encode()), 400),
    Case("length without end", post(b"Content-Length: " + b"9" * 5_000), 400),
    Case("two lengths", post(b"Content-Length: 2", b"Content-Length: 3"), 400),
    Case("a list of lengths", post(b"Content-Length: 2, 3"), 400),
    Case("body cut", post(b"Content-Length: 20", body=b"{}"), 400),
    Case(
        "length and chunked",
        post(
            b"Content-Length: 6",
            b"Transfer-Encoding: chunked",
            body=b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        400,
    ),
    Case(
        "chunked and length",
        post(
            b"Transfer-Encoding: chunked",
            b"Content-Length: 4",
            body=b"1e\r\nGET /smuggled HTTP/1.1\r\n\r\n0\r\n\r\n",
        ),
        400,
    ),
    Case("two codings", post(b"Transfer-Encoding: gzip, chunked"), 501),
    Case("chunked twice", post(*[b"Transfer-Encoding: chunked"] * 2), 501),
    Case("chunked, chunked", post(b"Transfer-Encoding: chunked, chunked"), 501),
    Case("coding disguised", post(b"Transfer-Encoding: xchunked"), 501),
    Case("coding with a tab", post(b"Transfer-Encoding: \x0bchunked"), 400),
    Case("coding identity", post(b"Transfer-Encoding: identity"), 501),
    Case("coding empty", post(b"Transfer-Encoding:"), 501),
    Case(
        "chunked in HTTP/1.0",
        post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n", version=b"1.0"),
        400,
    ),
    Case("chunk size missing", chunked(b"\r\n{}\r\n0\r\n\r\n"), 400),
    Case("chunk size garbage", chunked(b"zz\r\n{}\r\n0\r\n\r\n"), 400),
    Case("chunk size negative", chunked(b"-2\r\n{}\r\n0\r\n\r\n"), 400),
    Case("chunk size with 0x", chunked(b"0x2\r\n{}\r\n0\r\n\r\n"), 400),
    Case("chunk size too wide", chunked(b"f" * 40 + b"\r\n"), 400),
    Case("chunk size with underscore", chunked(b"1_0\r\n{}\r\n"), 400),
    Case("chunk with bare LF", chunked(b"2\n{}\n0\n\n"), 400),
    Case("chunk too long", chunked(b"2\r\n{}}}\r\n0\r\n\r\n"), 400),
    Case("chunk cut", chunked(b"9\r\n{}"), 400),
    Case("chunk extension flood", chunked(b"2;" + b"a" * 60_000), 431),
    Case("trailer flood", chunked(b"0\r\n" + b"A: b\r\n" * 9_000), 431),
    Case("trailer garbage", chunked(b"0\r\nno colon\r\n\r\n"), 400),
]

_BEHIND = [
    Case("junk behind a request", ORDINARY + b"\x00\xff junk\r\n\r\n", 200),
    Case("a torrent of requests", ORDINARY * 500, 200),
    Case("a second request cut", ORDINARY + ORDINARY[:20], 200),
    Case("body of a GET", get(b"Content-Length: 5") + b"hello", 200),
    Case(
        "expectation that is none", post(b"Expect: 200-ok", b"Content-Length: 0"), 200
    ),
    Case("expectation without body", post(b"Expect: 100-continue"), 200),
    Case("OPTIONS of everything", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    Case("absolute form of this host", get(target=b"http://a/"), 200),
    Case("TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    Case("path of percent signs", get(target=b"/%00%ff%2e%2e%2f%"), 200),
]

HANDSHAKES = [
    Case("no version", LIVE + b"\r\n", 400),
    Case("old version", LIVE + b"Sec-WebSocket-Version: 8\r\n\r\n", 426),
    Case(
        "no key",
        LIVE.replace(b"Sec-WebSocket-Key", b"X") + b"Sec-WebSocket-Version: 13\r\n\r\n",
        400,
    ),
    Case(
        "no Connection",
        LIVE.replace(b"Connection", b"X") + b"Sec-WebSocket-Version: 13\r\n\r\n",
        400,
    ),
    Case(
        "latin-1 subprotocol",
        LIVE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: \xff\r\n\r\n",
        400,
    ),
    Case(
        "latin-1 extension",
        LIVE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: \xff\r\n\r\n",
        400,
    ),
    Case(
        "host that is no name",
        LIVE.replace(b"Host: a", b"Host: xn--\x2d\x2d...")
        + b"Sec-WebSocket-Version: 13\r\n\r\n",
        400,
    ),
    Case(
        "data behind it",
        LIVE + b"Sec-WebSocket-Version: 13\r\n\r\n\x81\x85\x00\x00\x00\x00hello",
        400,
    ),
    Case(
        "with a body",
        LIVE + b"Sec-WebSocket-Version: 13\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    Case("in HTTP/1.0", LIVE.replace(b"P/1.1", b"P/1.0") + b"\r\n", 400),
    Case("bad number", LIVE.replace(b"live ", b"live?after=x ") + b"\r\n", 400),
]

CASES = [
    *_UPGRADES,
    *_LINES,
    *_HEADERS,
    *_FRAMING,
    *_BEHIND,
]
