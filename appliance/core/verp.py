"""Return paths that name their delivery, so that a bounce finds its way back.

The documented form has no room for an authenticator. What proves one is the delivery's
id: 62 bits of chance (``ids.Uuid7Maker``) that only the servers and people know who
had the mail in their hands. In a mail of several copies the first one's id is that of
the message too, and stands in the Message-ID that all of them share.

At the same hosts arrive complaints and, as a mail reader's way out, unsubscribes.
"""

import re
from uuid import UUID

from appliance.core.address import Address
from appliance.core.ids import SubAccountId

COMPLAINTS = "complaints"
_UNSUBSCRIBE = "unsub+"
_LOCAL = re.compile(
    r"bounces\+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\+(\d{1,18})"
)


def return_path(delivery: UUID, sub_account: SubAccountId, host: str) -> Address:
    """The envelope sender of one delivery at its verified return-path host."""
    return Address(f"bounces+{delivery}+{sub_account}", host)


def parse_return_path(address: Address) -> tuple[UUID, SubAccountId] | None:
    """The delivery and sub-account that a return path names, else None.

    Compared without regard to case, since relays fold it.
    """
    match = _LOCAL.fullmatch(address.local.lower())
    return (UUID(match[1]), SubAccountId(int(match[2]))) if match else None


def is_complaint_address(address: Address) -> bool:
    """True for the local part at which feedback reports arrive."""
    return address.local.lower() == COMPLAINTS


def unsubscribe_address(text: str, host: str) -> Address:
    """Where a token's local text unsubscribes whoever writes there."""
    return Address(f"{_UNSUBSCRIBE}{text}", host)


def unsubscribe_text(address: Address) -> str:
    """The local text of the token in an unsubscribe address, "" for any other."""
    local = address.local.lower()
    return local.removeprefix(_UNSUBSCRIBE) if local.startswith(_UNSUBSCRIBE) else ""
