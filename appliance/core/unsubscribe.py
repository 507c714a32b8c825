"""Whom an unsubscribe link is for, in the words that outlive the delivery's row.

A link can be used long after its mail has been forgotten, so its token says whose list
it is about, who is on it, and which topic, if the mail had one: then the way out leads
out of that topic only.
"""

from dataclasses import dataclass

from appliance.core.address import Address, parse_address
from appliance.core.ids import SubAccountId

_TOPIC = "\n"  # stands in no address


@dataclass(frozen=True, slots=True)
class Leaver:
    """One recipient of one sub-account; ``topic`` is "" for all of its mail."""

    sub_account: SubAccountId
    address: Address
    topic: str = ""


def write_leaver(sub_account: SubAccountId, address: Address, topic: str = "") -> str:
    """The target of an unsubscribe token."""
    text = f"{sub_account}:{address}"
    return f"{text}{_TOPIC}{topic}" if topic else text


def read_leaver(target: str) -> Leaver | None:
    """Whom a token's target names, None if nobody."""
    sub_account, _, rest = target.partition(":")
    text, _, topic = rest.partition(_TOPIC)
    address = parse_address(text)
    if address is None or not sub_account.isdecimal():
        return None
    return Leaver(SubAccountId(int(sub_account)), address, topic)
