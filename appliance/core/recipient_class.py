"""The classes of mailbox hosts that limits and routes are set for.

The order is part of what callers see: a pool's routes name a class by its
number. Which domain belongs to which class: `core/mailbox_hosts.py`.
"""

from enum import Enum
from typing import Self


class RecipientClass(Enum):
    """Whose servers take a mail in: a mailbox provider's, or a filter's."""

    GMAIL = "gmail"
    YAHOO = "yahoo"
    AOL = "aol"
    MICROSOFT = "microsoft"
    COMCAST = "comcast"
    YANDEX = "yandex"
    GMX = "gmx"
    MAILRU = "mailru"
    ICLOUD = "icloud"
    ZOHO = "zoho"
    QQ = "qq"
    DEFAULT = "default"
    ATT = "att"
    OFFICE365 = "office365"
    GOOGLEWORKSPACE = "googleworkspace"
    PROOFPOINT = "proofpoint"
    MIMECAST = "mimecast"
    BARRACUDA = "barracuda"
    CISCOIRONPORT = "ciscoironport"
    RACKSPACE = "rackspace"
    ZOHOBUSINESS = "zohobusiness"
    AMAZONWORKMAIL = "amazonworkmail"
    SYMANTEC = "symantec"
    FORTINET = "fortinet"
    SOPHOS = "sophos"
    TRENDMICRO = "trendmicro"
    CHECKPOINT = "checkpoint"

    @property
    def number(self) -> int:
        """Its position, 0 to 26."""
        return _NUMBERS[self]

    @classmethod
    def numbered(cls, number: int) -> Self | None:
        """The class at this position, or None if there is none."""
        members = tuple(cls)
        return members[number] if 0 <= number < len(members) else None


_NUMBERS = {each: position for position, each in enumerate(RecipientClass)}
