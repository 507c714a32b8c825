"""One POST at a time to the endpoint, over a connection that is kept.

The certificate is verified, redirects are not followed (they would carry the key to
who knows where), proxies of the environment are not asked. Each step of a request has
a deadline, and an answer is read no further than it may be long.
"""

import gzip
import http.client
import ssl
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from appliance import __version__
from appliance.agent.names import KEY_HEADER

TIMEOUT_S = 30.0
MAX_ANSWER = 1 << 20
SMALL = 1024  # bytes that are not worth packing


@dataclass(frozen=True, slots=True)
class Answered:
    """The server answered; ``retry_after_s`` is 0 if it does not say."""

    status: int
    body: bytes
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There was no answer, and why."""

    reason: str


Reply: TypeAlias = Answered | Unanswered


class Client:
    """Posts to one URL; for one thread."""

    def __init__(self, endpoint: str, ca_file: str | None = None) -> None:
        """Raises OSError if the authorities cannot be read."""
        url = urlsplit(endpoint)
        self._path = url.path + (f"?{url.query}" if url.query else "")
        host, port = url.hostname or "", url.port
        self._connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._connection = http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def post(self, body: bytes, key: str) -> Reply:
        """The answer to this body, or why there is none.

        A server may close a kept connection just now: that is tried once more.
        """
        kept = self._connection.sock is not None
        reply = self._try(body, key)
        if kept and isinstance(reply, Unanswered):
            reply = self._try(body, key)
        return reply

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _try(self, body: bytes, key: str) -> Reply:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"postroom-agent/{__version__}",
            KEY_HEADER: key,
        }
        if len(body) > SMALL:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)
        try:
            self._connection.request("POST", self._path, body, headers)
            response = self._connection.getresponse()
            answer = response.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Unanswered(_why(error))
        if response.will_close or not response.isclosed():
            self._connection.close()
        return Answered(response.status, answer, _seconds(response))


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return str(error) or type(error).__name__


def _seconds(response: http.client.HTTPResponse) -> float:
    text = response.getheader("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0
