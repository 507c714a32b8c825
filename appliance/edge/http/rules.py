"""What a request must be before any route sees it, beyond what h11 holds.

h11 has checked the grammar; here is refused what is grammatical and dangerous:
two framings at once (request smuggling), versions we do not speak, targets and
hosts that two readers could understand differently, floods of header fields.
Pure: a request in, facts or a status out.
"""

import re
from dataclasses import dataclass

import h11

from appliance.edge.http.limits import Limits

Headers = list[tuple[bytes, bytes]]

# RFC 9112 3.2: a Host that is no uri-host [":" port] is answered with 400.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::[0-9]*)?")


class RefusedError(Exception):
    """The request is not taken; the answer is this status and the end."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Facts:
    """What the header said about framing and upgrade; all of it consistent."""

    headers: Headers
    target: bytes
    length: int | None
    upgrade: bytes


def examine(request: h11.Request, limits: Limits) -> Facts:
    """The facts of a request that may be served.

    Raises:
        RefusedError: it may not.
    """
    if request.http_version not in {b"1.1", b"1.0"}:
        raise RefusedError(505, "this version of HTTP is not spoken here")
    headers = list(request.headers)
    size = len(request.target)
    length: int | None = 0
    chunked = False
    upgrade = host = b""
    for name, value in headers:
        size += len(name) + len(value) + 4
        if name == b"content-length":
            length = int(value)  # h11 saw to it that it is one number
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"host":
            host = value
        elif name == b"upgrade":
            upgrade = value.lower()
    if size > limits.max_header_bytes or len(headers) > limits.max_header_fields:
        raise RefusedError(431, "the header is too large")
    if chunked:
        _check_chunked(request, headers)
        length = None
    if _HOST.fullmatch(host) is None:
        raise RefusedError(400, "Host is not a host")
    return Facts(headers, _origin_form(request, host), length, upgrade)


def _check_chunked(request: h11.Request, headers: Headers) -> None:
    """RFC 9112 6.1 and 6.3: refuse what a proxy may have framed differently."""
    if any(name == b"content-length" for name, _ in headers):
        raise RefusedError(400, "both Content-Length and Transfer-Encoding")
    if request.http_version == b"1.0":
        raise RefusedError(400, "Transfer-Encoding in HTTP/1.0")


def _origin_form(request: h11.Request, host: bytes) -> bytes:
    """The path and query, also of a proxy's absolute form (RFC 9112 3.2.2)."""
    target = request.target
    if target.startswith(b"/"):
        return target
    if target == b"*" and request.method == b"OPTIONS":
        return target
    scheme, found, rest = target.partition(b"://")
    authority, slash, path = rest.partition(b"/")
    if found and scheme.lower() in {b"http", b"https"} and authority == host:
        return slash + path or b"/"
    raise RefusedError(400, "the target is no path of this host")
