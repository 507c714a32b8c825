"""The Received field that is put on top of what came in (RFC 5321 4.4).

Clients choose some of its words; whatever is no word of the grammar is left
out or called unknown, so that no one writes a field of his own (ATTACKS 6).
"""

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from appliance.core.address import is_domain, parse_address

_LITERAL = re.compile(r"\[[0-9A-Za-z:.]{1,60}\]")
_NO_WORD = re.compile(r"[^A-Za-z0-9._\-]++")
_NO_COMMENT = re.compile(r"[^A-Za-z0-9._/:=\- ]++")
_MAX_WORD_CHARS = 100


def received(
    *,
    client_name: str,
    client_ip: str,
    host: str,
    protocol: str,
    tls: str,
    id_: str,
    recipient: str | None,
    at_s: int,
) -> bytes:
    """The field, one clause to a line.

    ``client_name`` is what the client said of itself, ``tls`` says in words
    what protects the connection, "" if nothing does. ``id_`` is a word of our own.
    A recipient that is not ASCII is left out, for the field is.
    """
    whom = ""
    if recipient is not None and recipient.isascii() and parse_address(recipient):
        whom = f"\r\n\tfor <{recipient}>"
    way = _way(client_name, client_ip, host, protocol, tls)
    return f"{way}\tid {id_}{whom};\r\n\t{date(at_s)}\r\n".encode()


@lru_cache(maxsize=256)  # a session's mails all came this way
def _way(client_name: str, client_ip: str, host: str, protocol: str, tls: str) -> str:
    where = f" ({literal})" if (literal := _address_literal(client_ip)) else ""
    how = f" ({comment})" if (comment := _comment(tls)) else ""
    return (
        f"Received: from {_host(client_name)}{where}\r\n"
        f"\tby {_host(host)} with {_word(protocol)}{how}\r\n"
    )


@lru_cache(maxsize=8)
def date(at_s: int) -> str:
    """The moment as Date and Received spell it (RFC 5322 3.3)."""
    return format_datetime(datetime.fromtimestamp(at_s, UTC))


def _host(name: str) -> str:
    return name if is_domain(name) or _LITERAL.fullmatch(name) else "unknown"


def _comment(text: str) -> str:
    return _NO_COMMENT.sub("", text)[:_MAX_WORD_CHARS].strip()


def _word(text: str) -> str:
    return _NO_WORD.sub("", text)[:_MAX_WORD_CHARS] or "unknown"


def _address_literal(text: str) -> str:
    """The address as RFC 5321 4.1.3 has it, "" if it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"[IPv6:{address}]"
        address = address.ipv4_mapped
    return f"[{address}]"
