"""What may be the URL of an endpoint; where its name leads is seen at each connect."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from appliance.core.credential import Network
from appliance.core.networks import forbidden_address, forbidden_port

MAX_URL = 2_000
_ODD = frozenset(' "<>\\^`{|}')  # RFC 3986 2: in no URL
_PORTS = {"https": 443, "http": 80}


def check_url(
    text: str, *, allow_http: bool = False, allowed: Sequence[Network] = ()
) -> str:
    """What is wrong with the URL, "" if nothing is.

    It holds nothing that could end a line or a header, no password, and no address
    that is forbidden. A host that is spelt oddly (``0x7f.1``) is no name here and is
    looked up like one: its address is judged when it is known.
    """
    if not text or len(text) > MAX_URL:
        return f"a URL has 1 to {MAX_URL} characters"
    if not text.isascii() or not text.isprintable() or _ODD & {*text}:
        return "the URL has characters that must be percent-encoded"
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = parts.hostname or ""
    except ValueError:
        return "it is no URL"
    return _refusal(parts, allow_http=allow_http) or _where(host, port, allowed)


def _refusal(parts: SplitResult, *, allow_http: bool) -> str:
    if parts.scheme not in _PORTS or (parts.scheme == "http" and not allow_http):
        return "the URL must begin with https://"
    if not parts.hostname:
        return "the URL names no host"
    if "@" in parts.netloc:
        return "the URL must not hold a user name or password"
    return ""


def _where(host: str, port: int, allowed: Sequence[Network]) -> str:
    try:
        ip_address(host)
    except ValueError:
        kind = "loopback" if host.rstrip(".") == "localhost" and not allowed else ""
    else:
        kind = forbidden_address(host, allowed)
    if kind:
        return f"the address {host} is {kind}"
    if forbidden_port(port) and not allowed:
        return f"the port {port} is not one of the web's"
    return ""
