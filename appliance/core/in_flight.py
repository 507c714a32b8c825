"""What the relay has under way at a moment, and whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.core.ids import ProviderId, SubAccountId
from appliance.core.throttle import Fare


@dataclass(frozen=True, slots=True)
class InFlight:
    """How many deliveries each sub-account has at each provider, and their bytes.

    ``fares`` are those of the deliveries that are under limits.
    """

    deliveries: Mapping[tuple[ProviderId, SubAccountId], int] = field(
        default_factory=dict
    )
    size_bytes: Mapping[SubAccountId, int] = field(default_factory=dict)
    fares: Mapping[Fare, int] = field(default_factory=dict)


NOTHING = InFlight()
