"""Mail addresses as the envelope knows them (RFC 5321 4.1.2, RFC 6531).

Decides what is an address. Domains are in ASCII here (A-labels): whoever reads
addresses from outside turns internationalised names into that form first.
"""

import re
from functools import lru_cache
from unicodedata import normalize

from appliance.value import value

MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN_OCTETS = 253  # RFC 1035 2.3.4, without the root's dot
MAX_ADDRESS_OCTETS = 254  # RFC 5321 4.5.3.1.3: a path of 256 with its brackets
# A mail names its addresses several times, and its sender is the next mail's too.
_REMEMBERED = 4_096

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_DOT_STRING = re.compile(
    rf"[{_ATEXT}\u0080-\U0010ffff]++(?>(?:\.[{_ATEXT}\u0080-\U0010ffff]++)*)"
)
_QUOTED_STRING = re.compile(r'"(?>(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*)"')
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_MUST_BE_QUOTED = re.compile(r'["\\]')
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?>(?:\.{_LABEL})*)")
# Control characters of the C1 block and the line separators are no letters in
# a mailbox, whatever RFC 6531 lets a grammar derive.
_HARMFUL = re.compile("[\u0080-\u009f\u2028\u2029\ufeff\ud800-\udfff]")


@value
class Address:
    """One mailbox address; the domain is lower-case ASCII."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """True if the address needs no SMTPUTF8 (RFC 6531)."""
        return self.local.isascii()

    @property
    def key(self) -> str:
        """The form under which two spellings of one mailbox are the same.

        Local parts are case-sensitive on paper (RFC 5321 2.4) and nowhere else;
        a suppression that missed ``Bob@`` for ``bob@`` would be of no use. Nor would
        one that missed ``"bob"@`` (RFC 5321 4.1.2), or an é made of two characters.
        """
        local = self.local
        if local[:1] == '"' or not local.isascii():
            local = _plain(local)
        return f"{local.lower()}@{self.domain}"


@value
class Mailbox:
    """An address with the name that is shown beside it, "" for none."""

    address: Address
    name: str = ""


def _plain(local: str) -> str:
    """The shortest spelling of a local part, composed (RFC 6532 3.1)."""
    if local[:1] == '"':
        bare = _QUOTED_PAIR.sub(r"\1", local[1:-1])
        quoted = _MUST_BE_QUOTED.sub(r"\\\g<0>", bare)
        local = bare if _DOT_STRING.fullmatch(bare) else f'"{quoted}"'
    return normalize("NFC", local)


def is_domain(text: str) -> bool:
    """True if ``text`` is a host name of ASCII labels (RFC 1035 2.3.1, RFC 1123)."""
    return len(text) <= MAX_DOMAIN_OCTETS and _DOMAIN.fullmatch(text) is not None


def parse_address(text: str) -> Address | None:
    """The address that ``text`` spells, or None if it is none.

    Quoted local parts are taken; address literals (``user@[192.0.2.1]``),
    source routes and comments are not: no sender writes them on purpose.
    """
    return _parse(text) if len(text) <= MAX_ADDRESS_OCTETS else None


@lru_cache(_REMEMBERED)
def _parse(text: str) -> Address | None:
    local, at, domain = text.rpartition("@")
    if not at or not is_domain(domain) or _HARMFUL.search(local):
        return None
    if not (_DOT_STRING.fullmatch(local) or _QUOTED_STRING.fullmatch(local)):
        return None
    octets = len(local.encode())
    if octets > MAX_LOCAL_OCTETS or octets + 1 + len(domain) > MAX_ADDRESS_OCTETS:
        return None
    return Address(local, domain.lower())
