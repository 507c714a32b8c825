"""What has to be known of one upstream SMTP server in order to talk to it.

Decides which settings make sense together with the wire. Where they come from is
left to `store/`, which server gets which message to `flow/`.
"""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from appliance.core.provider import AuthMethod, Security
from appliance.smtp.grammar import is_client_name
from appliance.smtp.outcome import Stage

_MAX_PORT: Final = 65_535
# What a resolver may be asked for; underscores are common in private networks.
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One upstream server and how to be let in.

    Raises:
        ValueError: a field cannot be put on the wire; the text names the field
            and never the value.
    """

    host: str
    port: int
    security: Security = Security.STARTTLS
    username: str | None = None
    password: str = field(default="", repr=False)
    auth_method: AuthMethod = AuthMethod.AUTO
    verify_certificate: bool = True
    ehlo_name: str = "localhost"
    allow_plaintext_auth: bool = False
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if not (_is_host_name(self.host) or _is_ip_address(self.host)):
            raise ValueError("host is not a host name or a bare IP address")
        if not 0 < self.port <= _MAX_PORT:
            raise ValueError("port is out of range")
        if not is_client_name(self.ehlo_name):
            raise ValueError("ehlo_name is not a host name")
        if not _is_credential(self.username or "-"):
            raise ValueError("username cannot be sent")
        if not _is_credential(self.password):
            raise ValueError("password cannot be sent")


def _is_host_name(text: str) -> bool:
    # RFC 1123 2.1: with a last label of digits it would be an address, or a slip.
    last = text.removesuffix(".").rpartition(".")[2]
    return _HOST_NAME.fullmatch(text) is not None and not last.isdigit()


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone is good on one machine, and holds anything


def _is_credential(word: str) -> bool:
    # RFC 4616 2: no NUL; a lone surrogate is no UTF-8.
    return "\0" not in word and not any("\ud800" <= char <= "\udfff" for char in word)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for one step; RFC 5321 4.5.3.2, the shorter ones by custom.

    They are a value of their own, not the caller's deadline, since only the
    dialogue knows which step it waits for. Each covers one whole reply, so a
    server that sends a byte a minute gains nothing.
    """

    connect_s: float = 30
    command_s: float = 60  # also the greeting and a TLS handshake
    data_s: float = 60
    block_s: float = 180  # for each PIECE_BYTES that are sent
    dot_s: float = 600
    quit_s: float = 5

    @property
    def shortest(self) -> float:
        """What each step on the way of a mail is granted at least."""
        return min(self.command_s, self.data_s, self.block_s, self.dot_s)

    def of(self, stage: Stage) -> float:
        """The seconds an answer at this stage may take."""
        if stage is Stage.DOT:
            return self.dot_s
        if stage is Stage.DATA:
            return self.data_s
        return self.quit_s if stage is Stage.QUIT else self.command_s
