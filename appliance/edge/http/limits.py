"""What one client may take of the HTTP door: sizes, counts and seconds."""

from dataclasses import dataclass
from typing import Self

from appliance.settings.doors import Http


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the HTTP door; all have a default that suits the internet.

    The header is counted from the request line to the empty line. Times are in
    seconds: header and body each in all, idle between two requests of a kept
    connection, send for each piece of an answer that the client does not read.
    """

    max_connections: int = 1000
    max_header_bytes: int = 16 * 1024
    max_header_fields: int = 100
    header_timeout: float = 5.0
    body_timeout: float = 60.0
    idle_timeout: float = 75.0  # longer than the proxies' own 60 s, so they close first
    send_timeout: float = 20.0
    drain_timeout: float = 10.0
    http2: bool = False

    @classmethod
    def of(cls, http: Http) -> Self:
        """The limits that the operator's settings ask for."""
        return cls(
            max_connections=http.max_connections,
            header_timeout=http.header_timeout,
            body_timeout=http.body_timeout,
            drain_timeout=http.drain_timeout,
        )
