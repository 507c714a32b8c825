"""The names that people type for the dialects, and what their keys look like.

Decides prefixes and the JSON names of the first keys; making and storing a key
is the business of core and of the store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Dialect(Enum):
    """A wire format; the value is what credentials hold and people type."""

    SENDPOST = "sendpost"
    ANYPOST = "anypost"
    POSTSCALE = "postscale"
    SMTP = "smtp"

    @property
    def key_prefix(self) -> str:
        """What a new key of this dialect begins with, "" for nothing."""
        return _PREFIXES[self]

    @property
    def logs_in(self) -> bool:
        """True if a key of this dialect is a password over SMTP."""
        return self is not Dialect.SENDPOST


_PREFIXES: Mapping[Dialect, str] = MappingProxyType(
    {
        Dialect.SENDPOST: "",
        Dialect.ANYPOST: "ap_",
        Dialect.POSTSCALE: "ps_live_",
        Dialect.SMTP: "",
    }
)
# Those in which events are told over HTTP, the usual one first.
TELLING = (Dialect.SENDPOST, Dialect.ANYPOST, Dialect.POSTSCALE)
# The user names that stand for a dialect and not for a credential.
FIXED_USERNAMES = frozenset({"anypost", "postscale"})
_TEST_PREFIXES: Mapping[Dialect, str] = MappingProxyType(
    {Dialect.POSTSCALE: "ps_test_"}
)


def key_prefix(dialect: Dialect, *, test: bool = False) -> str | None:
    """What a new key begins with; None if the dialect knows no test keys."""
    return _TEST_PREFIXES.get(dialect) if test else dialect.key_prefix


def is_test_key(text: str) -> bool:
    """True if mail under this key is kept for viewing and not sent."""
    return text.startswith(tuple(_TEST_PREFIXES.values()))


@dataclass(frozen=True, slots=True)
class FirstKey:
    """A key that a new installation comes with, and its name in JSON output.

    A key of the whole account belongs to no sub-account.
    """

    json_name: str
    dialect: Dialect
    whole_account: bool = False


FIRST_KEYS = (
    FirstKey("accountKey", Dialect.SENDPOST, whole_account=True),
    FirstKey("subAccountKey", Dialect.SENDPOST),
    FirstKey("anypostKey", Dialect.ANYPOST),
    FirstKey("postscaleKey", Dialect.POSTSCALE),
)
