"""The two families of protocol error, by whose fault it is.

Anything else that leaves `smtp/` is a bug of ours. What to do about an error
(close, answer 5xx, count a failure) is left to `net/`.
"""


class ProtocolError(Exception):
    """SMTP was broken by one of the two sides."""


class LocalProtocolError(ProtocolError):
    """We asked for something SMTP does not allow; nothing was put on the wire."""


class RemoteProtocolError(ProtocolError):
    """The peer broke SMTP; the connection cannot be used any further."""
