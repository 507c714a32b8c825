"""One upstream SMTP server that takes our mail (a smarthost)."""

from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from appliance.core.ids import ProviderId
from appliance.core.throttle import NO_LIMITS, Limits


class Kind(Enum):
    """Whether mail leaves the house."""

    SMTP = "smtp"
    CAPTURE = "capture"  # keeps the mail for viewing, sends nothing


class Security(Enum):
    """How the connection is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class AuthMethod(Enum):
    """How to log in, when there is a user name."""

    AUTO = "auto"  # PLAIN, then LOGIN
    PLAIN = "plain"
    LOGIN = "login"


class DeliveredBy(Enum):
    """Whose word makes a mail delivered, where a dialect tells that only once."""

    AUTO = "auto"  # the log agent's, if there ever was one
    AGENT = "agent"
    UPSTREAM = "upstream"  # its 2xx


@dataclass(frozen=True, slots=True)
class NewProvider:
    """A provider's settings; ``retry_plan`` is "" where the general one holds."""

    name: str
    kind: Kind = Kind.SMTP
    host: str = ""
    port: int = 587
    security: Security = Security.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    auth_method: AuthMethod = AuthMethod.AUTO
    verify_certificate: bool = True
    max_connections: int = 5
    retry_plan: str = ""
    delivered_by: DeliveredBy = DeliveredBy.AUTO
    limits: Limits = NO_LIMITS

    @property
    def connection(self) -> tuple[object, ...]:
        """All that decides whether the server lets us in; a change is worth a test."""
        return (
            self.kind,
            self.host,
            self.port,
            self.security,
            self.username,
            self.password,
            self.auth_method,
            self.verify_certificate,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(NewProvider):
    """A provider as it is stored.

    ``event_key_hint`` is the end of the key by which its log agent reports, "" if
    there is none. ``tested_ns`` is when it last passed a test that was asked for: the
    relay takes that, as any change of a setting, for a reason to try it again at once.
    Moments are 0 for never, or for before they were kept.
    """

    id: ProviderId
    uuid: UUID
    event_key_hint: str = ""
    tested_ns: int = 0
    created_ns: int = 0
    # Changes with every report, and nothing that depends on the settings needs it.
    agent_last_seen_ns: int = field(default=0, compare=False)
