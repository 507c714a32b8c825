"""Where a machine of its own listens: what the world expects and nobody else has.

Asked once, when the settings file is written. Whether we may listen there is seen
at the start, for it is another user who starts us.
"""

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.settings.load import FILE_NAME

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h
_ANY_IPV4, _ANY_IPV6 = "0.0.0.0", "[::]"  # noqa: S104 - that is what was asked for

# Before a proxy, which adds TLS, comes from elsewhere.
_HTTP = {"http.bind": f"{_ANY_IPV4}:8025"}
_SMTP: Mapping[str, tuple[int, ...]] = {
    "smtp.submission": (587, 2587),
    "smtp.submissions": (465,),
    "smtp.mx": (25,),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings that name listeners, and what the operator should know of them."""

    settings: Mapping[str, str]
    notes: tuple[str, ...] = ()


LOCAL = Choice(
    {
        "http.bind": "127.0.0.1:8025",
        "smtp.submission": "127.0.0.1:2587",
        "smtp.submissions": "127.0.0.1:2465",
    }
)


def choose_for_all() -> Choice:
    """For clients on other machines; a port that somebody has is left to them."""
    return choose(ports_in_use(), ipv6=has_ipv6())


def choose(in_use: Iterable[int], *, ipv6: bool) -> Choice:
    """The same for a machine of which this is known."""
    taken = frozenset(in_use)
    settings, notes = dict(_HTTP), []
    for name, ports in _SMTP.items():
        free = [port for port in ports if port not in taken]
        settings[name] = _spell(free, ipv6=ipv6)
        wanted = _spell(ports, ipv6=ipv6)
        notes += [_note(port, name, wanted) for port in ports if port in taken]
    return Choice(settings, tuple(notes))


def _spell(ports: Iterable[int], *, ipv6: bool) -> str:
    hosts = (_ANY_IPV4, _ANY_IPV6) if ipv6 else (_ANY_IPV4,)
    return ", ".join(f"{host}:{port}" for port in ports for host in hosts)


def _note(port: int, setting: str, wanted: str) -> str:
    section, _, name = setting.partition(".")
    return (
        f"Another program listens on port {port}, so {setting} leaves it out. Once it"
        f' is free, write {name} = "{wanted}" below [{section}] in {FILE_NAME}.'
    )


def ports_in_use(tables: Iterable[Path] = _TABLES) -> frozenset[int]:
    """The TCP ports on which anything listens, at whichever address.

    The kernel's tables show all of them to everybody; trying to bind would need
    the right to low ports.
    """
    found: set[int] = set()
    for table in tables:
        with suppress(OSError):  # no such family
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                local, _, state = line.split()[1:4]
                if state == _LISTENING:
                    found.add(int(local.rpartition(":")[2], 16))
    return frozenset(found)


def has_ipv6() -> bool:
    """True if this machine can listen on IPv6 addresses."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
