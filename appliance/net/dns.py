"""Looks names up at the resolvers that the settings name, or the system's.

Every way in which a look-up can end is a value. The caller sets the deadline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

MAX_VALUES = 50
DEFAULT_PORT = 53


class Trouble(Enum):
    """Why a look-up brought no values."""

    NO_NAME = "the name does not exist"
    NO_DATA = "the name has no record of this type"
    NO_ANSWER = "no resolver answered"


@dataclass(frozen=True, slots=True)
class Found:
    """The values under a name: TXT strings joined, host names without the dot."""

    values: tuple[str, ...] = ()
    trouble: Trouble | None = None


class Resolver:
    """A resolver; ``nameservers`` are ``host`` or ``host:port``, none = system."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration:  # then nobody answers
            self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.cache = None
        if nameservers:
            self._use(nameservers)

    async def lookup(self, name: str, kind: str) -> Found:
        """What is published under ``name`` as ``kind`` ("TXT", "CNAME", ...)."""
        try:
            answer = await self._resolver.resolve(name, kind, search=False)
        except dns.resolver.NXDOMAIN:
            return Found(trouble=Trouble.NO_NAME)
        except dns.resolver.NoAnswer:
            return Found(trouble=Trouble.NO_DATA)
        except (dns.exception.DNSException, OSError, ValueError):
            return Found(trouble=Trouble.NO_ANSWER)
        return Found(tuple(_text(one) for one in list(answer)[:MAX_VALUES]))

    def _use(self, nameservers: Sequence[str]) -> None:
        hosts: list[str] = []
        ports: dict[str, int] = {}
        for one in nameservers:
            host, port = split_nameserver(one)
            hosts.append(host)
            ports[host] = port
        self._resolver.nameserver_ports = ports
        self._resolver.nameservers = list(hosts)


def split_nameserver(text: str) -> tuple[str, int]:
    """The address and port of ``192.0.2.1``, ``192.0.2.1:53`` or ``[2001:db8::1]:53``.

    Raises:
        ValueError: the port is no number.
    """
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest.lstrip(":") or DEFAULT_PORT)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, int(port)
    return text, DEFAULT_PORT


def _text(value: object) -> str:
    strings = getattr(value, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("utf-8", "replace")
    return str(value).rstrip(".").lower()
