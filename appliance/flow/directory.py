"""What intake and the relay ask for every mail, answered from memory.

Configuration is replaced as a whole when it changed, suppressions are followed
change by change: they are many. Who changed them does not matter; the pulse of
the store tells (``flow/heart.py``).
"""

import trio

from appliance.core.address import Address
from appliance.core.ids import PoolId, SubAccountId
from appliance.core.suppression import ANY_MAIL, Mail, Stop, domain_key
from appliance.store.database import Store
from appliance.store.directory import Directory, load_directory
from appliance.store.readers import Pulse
from appliance.store.suppressions import Known, load_suppression_changes


class DirectoryKeeper:
    """Keys, domains, pools, providers and suppressions as they are now."""

    def __init__(self, store: Store, first: Directory) -> None:
        self._store = store
        self._suppressed: dict[Known, Stop] = {}
        self._turn = trio.Lock()  # an older read must not be applied after a newer
        self._seen = 0  # number of the last change of a suppression taken in
        self.current = first

    @classmethod
    async def load(cls, store: Store) -> "DirectoryKeeper":
        """A keeper that is up to date."""
        keeper = cls(store, await store.read(load_directory))
        await keeper.refresh_suppressions()
        return keeper

    def is_suppressed(
        self, sub_account: SubAccountId, address: Address, now_ns: int = 0
    ) -> bool:
        """True if this address gets no mail at all from this sub-account."""
        return self.suppression(sub_account, address, now_ns) is not None

    def suppression(
        self,
        sub_account: SubAccountId,
        address: Address,
        now_ns: int,
        mail: Mail = ANY_MAIL,
    ) -> Stop | None:
        """Why this address does not get this mail from this sub-account, or None.

        Of any mail, that is: why it gets none at all. Its own entry goes before that
        of its whole domain, and one for all mail before one for some.
        """
        scopes = mail.scopes
        for key in (address.key, domain_key(address.domain)):
            for scope in scopes:
                found = self._suppressed.get((sub_account, key, scope))
                if found is not None and found.holds(now_ns):
                    return found
        return None

    def pool_name(self, pool: PoolId) -> str:
        """The name of a pool, "" for one that is gone."""
        names = (one.name for one in self.current.pools.values() if one.id == pool)
        return next(names, "")

    async def refresh(self, pulse: Pulse | None = None) -> None:
        """Take in what changed; ``pulse`` spares reading what did not."""
        if pulse is None or pulse.configuration != self.current.generation:
            self.current = await self._store.read(load_directory)
        if pulse is None or pulse.suppressions != self._seen:
            await self.refresh_suppressions()

    async def catch_up(self) -> None:
        """Take in what others wrote a moment ago, before the heart's next beat.

        Raises:
            StoreUnavailable: it could not be read.
        """
        await self.refresh(await self._store.pulse())

    async def refresh_suppressions(self) -> None:
        """Take in the suppressions that were added or lifted."""
        async with self._turn:
            changes = await self._store.read(load_suppression_changes, self._seen)
            self._suppressed.update(changes.added)
            for one in changes.lifted:
                self._suppressed.pop(one, None)
            self._seen = changes.upto
