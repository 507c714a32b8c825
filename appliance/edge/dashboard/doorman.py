"""Who may look at the pages: the dashboard's users, by HTTP Basic (RFC 7617).

A password is checked in a thread, one at a time, which bounds both the work and
the guessing; the last few that were right are remembered by their hash.
"""

import hmac
import os
from collections import OrderedDict
from hashlib import blake2b
from typing import Protocol

import trio

from appliance.core.password import DUMMY_HASH, check_password
from appliance.store.accounts import find_user
from appliance.store.database import Store

REMEMBERED = 16
MAX_CHARS = 256


class Claim(Protocol):
    """What a request says about who sent it."""

    username: str | None
    password: str | None


class Doorman:
    """Tells users of the dashboard from everyone else."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._salt = os.urandom(16)
        self._known: OrderedDict[bytes, str] = OrderedDict()

    async def admits(self, claim: Claim | None) -> bool:
        """True if the claim names a user and gives the right password."""
        name = (claim.username if claim else None) or ""
        password = (claim.password if claim else None) or ""
        if not name or len(name) > MAX_CHARS or len(password) > MAX_CHARS:
            return False
        user = await self._store.read(find_user, name)
        stored = user.password_hash if user else DUMMY_HASH
        trace = blake2b(f"{name}\0{password}".encode(), key=self._salt).digest()
        if self._remembers(trace, stored):
            return True
        right = await trio.to_thread.run_sync(
            check_password, password, stored, limiter=self._one_at_a_time
        )
        if not right or user is None:
            return False
        self._remember(trace, stored)
        return True

    def _remembers(self, trace: bytes, stored: str) -> bool:
        """True if this was right before and the password has not changed since."""
        known = self._known.get(trace)
        return known is not None and hmac.compare_digest(known, stored)

    def _remember(self, trace: bytes, stored: str) -> None:
        self._known[trace] = stored
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
