"""What the relay has under way at a moment, and whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.core.ids import ProviderId, SubAccountId


@dataclass(frozen=True, slots=True)
class InFlight:
    """How many deliveries each sub-account has at each provider, and their bytes."""

    deliveries: Mapping[tuple[ProviderId, SubAccountId], int] = field(
        default_factory=dict
    )
    size_bytes: Mapping[SubAccountId, int] = field(default_factory=dict)


NOTHING = InFlight()
