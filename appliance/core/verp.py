"""Return paths that name their delivery, so that a bounce finds its way back."""

import re
from uuid import UUID

from appliance.core.address import Address
from appliance.core.ids import SubAccountId

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
