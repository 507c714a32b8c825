"""How much a request may carry, as far as an operator has a say in it.

The vendors' own limits (recipients, lengths) are beside the fields they bound.
"""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes of one request.

    Attachments count decoded; recipients are all that the envelopes will have.
    """

    body_bytes: int = 40 * MEBIBYTE
    attachment_bytes: int = 25 * MEBIBYTE
    recipients: int = 10_000


DEFAULT_LIMITS = Limits()
