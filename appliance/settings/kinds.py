"""The kinds of value a setting may have: how each is read, checked and spelt.

A value comes as text (environment, ``--set``) or as what TOML made of it; one
reader serves both. Durations and sizes are written here for what an operator
sets before the start; ``core.retry`` reads the same grammar from rows, and a
test holds that the two agree.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit

Value = TypeVar("Value")
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)?")
_DURATION_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZE = re.compile(r"(\d{1,15}) ?([KMG]iB|B)?")
_SIZE_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?")
_PLAN_STEP = re.compile(r"\d{1,7}[smhd]?")
MAX_HOST_CHARS = 253
MAX_PORT = 65535
MAX_PLAN_STEPS = 100
DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Kind(Generic[Value]):
    """A kind of value.

    ``expected`` completes "expected ..."; ``read`` raises ValueError; ``spell``
    gives text that ``read`` takes back; ``bare`` kinds need no quotes in TOML.
    """

    expected: str
    read: Callable[[object], Value]
    spell: Callable[[Value], str] = str
    bare: bool = False


@dataclass(frozen=True, slots=True)
class HostPort:
    """One address to listen on or to ask; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def integer(minimum: int = 0, maximum: int = 1_000_000) -> Kind[int]:
    """A whole number from ``minimum`` to ``maximum``."""

    def read(value: object) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value[:20])
        return _within(_exactly(int, value), minimum, maximum)

    expected = f"a whole number from {minimum} to {maximum}"
    return Kind(expected, read, str, bare=True)


def duration(minimum: float = 0.001, maximum: float = 315_360_000) -> Kind[float]:
    """A span of time, in seconds; a number without a unit counts seconds."""

    def read(value: object) -> float:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        match = _DURATION.fullmatch(_text(value))
        if match is None:
            raise ValueError(value)
        seconds = int(match[1]) * _DURATION_UNITS[match[2] or "s"]
        return _within(seconds, minimum, maximum)

    expected = f"a duration from {spell_seconds(minimum)} to {spell_seconds(maximum)}"
    return Kind(f"{expected}, such as 500ms, 90s, 5m, 1h or 2d", read, spell_seconds)


def size(minimum: int = 1, maximum: int = 1 << 40) -> Kind[int]:
    """An amount of bytes; a number without a unit counts bytes."""

    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        match = _SIZE.fullmatch(_text(value))
        if match is None:
            raise ValueError(value)
        return _within(int(match[1]) * _SIZE_UNITS[match[2] or "B"], minimum, maximum)

    expected = f"a size from {spell_bytes(minimum)} to {spell_bytes(maximum)}"
    return Kind(f"{expected}, such as 40MiB or 512KiB", read, spell_bytes)


def choice(*words: str) -> Kind[str]:
    """One of ``words``."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(value)
        return _text(value)

    return Kind(f"one of {', '.join(words)}", read)


def spell_seconds(seconds: float) -> str:
    """The shortest spelling of a duration in one unit."""
    for unit, worth in _DURATION_UNITS.items():
        count = round(seconds / worth)
        if count and abs(count * worth - seconds) < _DURATION_UNITS["ms"] / 2:
            return f"{count}{unit}"
    return "0s"


def spell_bytes(count: int) -> str:
    """The shortest exact spelling of a size in one unit."""
    for unit, worth in _SIZE_UNITS.items():
        if count and count % worth == 0:
            return f"{count // worth}{unit}"
    return "0B"


def _exactly(kind: type[Value], value: object) -> Value:
    if type(value) is not kind:  # bool is an int to isinstance
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    return _exactly(str, value).strip()


def _within(value: Value, minimum: float, maximum: float) -> Value:
    if not isinstance(value, (int, float)) or not minimum <= value <= maximum:
        raise ValueError(value)
    return value


def _read_boolean(value: object) -> bool:
    words = {"true": True, "false": False}
    return _exactly(bool, words.get(value, value) if isinstance(value, str) else value)


def _is_host(text: str) -> bool:
    labels = text.split(".")
    return len(text) <= MAX_HOST_CHARS and all(map(_HOST.fullmatch, labels))


def _read_host(value: object) -> str:
    text = _text(value)
    if text and not _is_host(text):
        raise ValueError(text)
    return text.lower()


def _read_url(value: object) -> str:
    text = _text(value).rstrip("/")
    if not text:
        return ""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(text)
    _ = parts.port  # raises ValueError for a port that is none
    if text != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError(text)
    if not _is_host(parts.hostname) and not is_ip(parts.hostname):
        raise ValueError(text)
    return text


def is_ip(text: str) -> bool:
    """True for a bare IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _host_port(text: str, default_port: int | None = None) -> HostPort:
    if default_port is not None and is_ip(text):
        return HostPort(text, default_port)
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        raise ValueError(text)
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif not _is_host(host):
        raise ValueError(text)
    return HostPort(host, _within(int(port[:6]), 0, MAX_PORT))


def _items(value: object) -> list[str]:
    text = _text(value)
    return [item.strip() for item in text.split(",")] if text else []


def _read_listeners(value: object) -> tuple[HostPort, ...]:
    return tuple(map(_host_port, _items(value)))


def _read_nameservers(value: object) -> tuple[HostPort, ...]:
    servers = tuple(_host_port(item, DNS_PORT) for item in _items(value))
    if not all(is_ip(server.host) for server in servers):
        raise ValueError(value)
    return servers


def _read_origins(value: object) -> tuple[str, ...]:
    return tuple(map(_read_origin, _items(value)))


def _read_origin(item: str) -> str:
    origin = _read_url(item)
    if not origin:
        raise ValueError(item)
    return origin


def _read_plan(value: object) -> tuple[int, ...]:
    steps = _items(value)
    if len(steps) > MAX_PLAN_STEPS or not all(map(_PLAN_STEP.fullmatch, steps)):
        raise ValueError(value)
    return tuple(int(duration(0).read(step)) for step in steps)


def _read_networks(value: object) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, _items(value)))


def _read_path(value: object) -> str:
    text = _text(value)
    # From wherever the server is started, it must be the same file.
    if text and not (text.startswith("/") and text.isprintable()):
        raise ValueError(text)
    return text


def _spell_list(items: tuple[object, ...]) -> str:
    return ", ".join(map(str, items))


def _spell_networks(networks: tuple[Network, ...]) -> str:
    return _spell_list(tuple(map(_spell_network, networks)))


def _spell_network(one: Network) -> str:
    return str(one.network_address if one.num_addresses == 1 else one)


def _spell_plan(pauses: tuple[int, ...]) -> str:
    return ",".join(map(spell_seconds, pauses))


BOOLEAN: Kind[bool] = Kind(
    "true or false", _read_boolean, lambda value: str(value).lower(), bare=True
)
HOST: Kind[str] = Kind('a host name such as mail.example.com, or ""', _read_host)
URL: Kind[str] = Kind('a URL such as https://mail.example.com, or ""', _read_url)
PATH: Kind[str] = Kind('an absolute path such as /etc/ssl/mail.pem, or ""', _read_path)
LISTENERS: Kind[tuple[HostPort, ...]] = Kind(
    'host:port such as 127.0.0.1:8025, several with commas, or ""',
    _read_listeners,
    _spell_list,
)
NAMESERVERS: Kind[tuple[HostPort, ...]] = Kind(
    'IP addresses such as 192.0.2.53 or 192.0.2.53:5353, with commas, or ""',
    _read_nameservers,
    _spell_list,
)
NETWORKS: Kind[tuple[Network, ...]] = Kind(
    'IP addresses or networks such as 192.0.2.0/24, with commas, or ""',
    _read_networks,
    _spell_networks,
)
ORIGINS: Kind[tuple[str, ...]] = Kind(
    'origins such as https://dash.example.com, with commas, or ""',
    _read_origins,
    _spell_list,
)
RETRY_PLAN: Kind[tuple[int, ...]] = Kind(
    "up to 100 pauses such as 1h,2h,3h (s, m, h, d)", _read_plan, _spell_plan
)
