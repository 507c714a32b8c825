"""What is said at the desk where providers are made: wishes, and what comes of them."""

from dataclasses import dataclass
from enum import Enum

from appliance.core.address import Address
from appliance.core.provider import NewProvider, Provider, Security
from appliance.core.throttle import Limit, Limits
from appliance.flow.tryout import TEST_HEADER
from appliance.settings import Settings
from appliance.smtp.outcome import ProbeStep


class Obstacle(Enum):
    """What stands in the way besides the settings and the server."""

    NAME_TAKEN = "there is a provider of that name already"
    POOL_TAKEN = "there is a pool of that name already"
    GONE = "there is no such provider"
    BUSY = "too many tests are under way"


@dataclass(frozen=True, slots=True)
class Unfit:
    """A setting with which no mail can be sent, and what is wrong with it."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Tried:
    """The steps of a test, none if there was none; the last one may have failed."""

    steps: tuple[ProbeStep, ...]
    security: Security = Security.NONE

    @property
    def failed(self) -> bool:
        """True if the server did not take the message."""
        return bool(self.steps) and self.steps[-1].failure is not None


@dataclass(frozen=True, slots=True)
class Stored:
    """A provider as it is now; with the event key if one was made, this once."""

    provider: Provider
    event_key: str = ""
    steps: tuple[ProbeStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """How to test: who writes to whom (None: the postmaster), and the header line."""

    sender: Address | None = None
    recipient: Address | None = None
    mark: str = TEST_HEADER


@dataclass(frozen=True, slots=True)
class Habits:
    """How this house presents itself to an upstream."""

    ehlo_name: str
    postmaster: Address
    plaintext_auth: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "Habits":
        """Those that the settings say."""
        postmaster = Address("postmaster", settings.public_host)
        return cls(settings.ehlo_name, postmaster, settings.relay.plaintext_auth)


def defaults_of(settings: Settings) -> NewProvider:
    """The settings of a provider of which nothing is said, without name and host."""
    rate = settings.relay.default_rate_per_hour or None
    return NewProvider(
        "",
        max_connections=settings.relay.max_connections,
        limits=Limits(Limit(per_hour=rate)),
    )
