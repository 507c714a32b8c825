"""The room that one claim has: for each provider, each sub-account, and in memory.

Where there are several sub-accounts, none has more under way at a provider than is
free there, and none holds more bytes than are free. So one that sends very much has
half of a provider while it is alone, a third beside another, and whoever comes next
finds a place at once.
"""

from collections import Counter
from collections.abc import Mapping

from appliance.core.breaker import Restraint
from appliance.core.delivery import Copy
from appliance.core.ids import ProviderId, SubAccountId
from appliance.core.in_flight import InFlight
from appliance.store.due import NO_BOUNDS, Allowance, DueRow, copy_of


class Taking:
    """The copies that are taken, and the room that is left for more."""

    def __init__(
        self,
        limit: int,
        byte_limit: int,
        most_each: int,
        in_flight: InFlight,
        down: Mapping[ProviderId, Restraint],
    ) -> None:
        self.copies: list[Copy] = []
        self.left = limit
        self.shared = True  # several sub-accounts: each leaves room for others
        self._bytes = byte_limit
        self._most_each = most_each
        self._down = down
        self._of_tenant = Counter(in_flight.deliveries)
        self._bytes_of = Counter(in_flight.size_bytes)
        self._of_provider: Counter[ProviderId] = Counter()
        for (provider, _), number in in_flight.deliveries.items():
            self._of_provider[provider] += number

    def room(self, provider: ProviderId) -> int:
        """How many more this provider may get."""
        return max(0, min(self.left, self._free(provider)))

    def allowance(self, provider: ProviderId) -> Allowance:
        """How many more of this provider each sub-account may get."""
        if not self.shared:
            return NO_BOUNDS
        free = self._free(provider)
        of = {
            int(tenant): max(0, (free - number + 1) // 2)
            for (at, tenant), number in self._of_tenant.items()
            if at == provider and number
        }
        return Allowance((free + 1) // 2, of)

    def take(self, row: DueRow, provider: ProviderId) -> bool:
        """True if there was room for this one."""
        tenant = SubAccountId(row.sub_account)
        if not self.room(provider) or not self._leaves_room(provider, tenant):
            return False
        if not self._fits(row.size_bytes, tenant):
            return False
        self.copies.append(copy_of(row, provider))
        self.left -= 1
        self._bytes -= row.size_bytes
        self._bytes_of[tenant] += row.size_bytes
        self._of_provider[provider] += 1
        self._of_tenant[provider, tenant] += 1
        return True

    def _free(self, provider: ProviderId) -> int:
        restraint = self._down.get(provider)
        most = self._most_each if restraint is None else restraint.most
        return most - self._of_provider[provider]

    def _leaves_room(self, provider: ProviderId, tenant: SubAccountId) -> bool:
        if not self.shared:
            return True
        return self._of_tenant[provider, tenant] < self._free(provider)

    def _fits(self, size_bytes: int, tenant: SubAccountId) -> bool:
        """A mail above all bounds is not stuck for ever: it goes when it is alone."""
        if not self.copies and not (self.shared and self._bytes_of[tenant]):
            return True
        held = self._bytes_of[tenant] if self.shared else 0
        return size_bytes <= self._bytes and held <= self._bytes
