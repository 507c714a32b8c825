"""One upstream SMTP server that takes our mail (a smarthost)."""

from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from appliance.core.ids import ProviderId


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


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's settings; ``retry_plan`` is "" where the general one holds."""

    id: ProviderId
    uuid: UUID
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
