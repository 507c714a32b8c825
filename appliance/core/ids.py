"""Names for the two ids each row has, and the maker of the wide ones.

A row has an integer, small and local, and a UUID of version 7 (RFC 9562 5.7),
which is what leaves the house. The kinds are told apart by type only.
"""

import os
import struct
import threading
import time
from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", int)
SubAccountId = NewType("SubAccountId", int)
CredentialId = NewType("CredentialId", int)
DomainId = NewType("DomainId", int)
ProviderId = NewType("ProviderId", int)
PoolId = NewType("PoolId", int)
ContentId = NewType("ContentId", int)
MessageId = NewType("MessageId", int)
DeliveryId = NewType("DeliveryId", int)
EventNumber = NewType("EventNumber", int)

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_BITS = 62
_COUNTER_BITS = 12
_DRAW = struct.Struct("32Q")  # asked of the system at a time


class Uuid7Maker:
    """Makes UUIDs that sort in the order in which they were made.

    The 12 bits behind the time are a counter within the millisecond (RFC 9562
    6.2, method 1); when it runs over, the time runs ahead by a millisecond.
    A clock that steps back does not break the order.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tick = 0
        self._random: list[int] = []

    def make(self, now_ms: int) -> UUID:
        """A new UUID, greater than every one made before by this object."""
        with self._lock:
            if not self._random:
                self._random += _DRAW.unpack(os.urandom(_DRAW.size))
            random = self._random.pop() >> (64 - _RANDOM_BITS)
            tick = max(self._tick + 1, now_ms << _COUNTER_BITS)
            self._tick = tick
        milliseconds, counter = tick >> _COUNTER_BITS, tick & 0xFFF
        return UUID(
            int=milliseconds << 80 | _VERSION_7 | counter << 64 | _VARIANT | random
        )


_maker = Uuid7Maker()


def uuid7() -> UUID:
    """A new UUID of version 7 for this moment."""
    return _maker.make(time.time_ns() // 1_000_000)


def parse_uuid(text: str) -> UUID | None:
    """The UUID that ``text`` spells in its 36-character form, else None."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None
