"""The server's side of an AUTH exchange: PLAIN (RFC 4616) and LOGIN.

Decides what a client said, not whether it is let in. A response that cannot be
read is refused in the same words whatever is wrong with it.
"""

import binascii
from typing import Final

from appliance.smtp.client import Mechanism
from appliance.smtp.reply import Reply
from appliance.smtp.server_events import Login
from appliance.smtp.server_words import CANCELLED, NO_PROXY_LOGIN, NOT_BASE64

_EMPTY: Final = Reply(334, ("",))
# The words every server uses, some clients look at them.
_USERNAME: Final = Reply(334, ("VXNlcm5hbWU6",))  # "Username:"
_PASSWORD: Final = Reply(334, ("UGFzc3dvcmQ6",))  # "Password:"


class Exchange:
    """One exchange: say `prompt`, or `take` the initial response if there is one."""

    __slots__ = ("_mechanism", "_username")

    def __init__(self, mechanism: Mechanism) -> None:
        self._mechanism = mechanism
        self._username: str | None = None

    @property
    def prompt(self) -> Reply:
        """The challenge that begins the exchange."""
        return _EMPTY if self._mechanism is Mechanism.PLAIN else _USERNAME

    def take(self, response: bytes) -> Login | Reply:
        """What one response leads to: the login, a 334 that asks on, or the end."""
        if response == b"*":
            return CANCELLED
        text = _decode(response)
        if text is None:
            return NOT_BASE64
        if self._mechanism is Mechanism.PLAIN:
            return _read_plain(text)
        if "\0" in text:
            return NOT_BASE64
        if self._username is None:
            self._username = text
            return _PASSWORD
        return Login(Mechanism.LOGIN, self._username, text)


def _decode(response: bytes) -> str | None:
    try:
        return binascii.a2b_base64(response, strict_mode=True).decode()
    except ValueError:
        return None


def _read_plain(text: str) -> Login | Reply:
    parts = text.split("\0")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 4616 2: authzid, authcid, passwd
        return NOT_BASE64
    on_behalf_of, username, password = parts
    if on_behalf_of not in {"", username}:
        return NO_PROXY_LOGIN
    return Login(Mechanism.PLAIN, username, password)
