"""Which dialect a user name speaks; whether the password fits is for the door."""

from appliance.dialects.anypost.submission import AnypostSubmission
from appliance.dialects.names import Dialect
from appliance.dialects.postscale.submission import PostscaleSubmission
from appliance.dialects.smtp.submission import SmtpSubmission
from appliance.dialects.submission import SubmissionDialect

_ANYPOST = AnypostSubmission()
_POSTSCALE = PostscaleSubmission()
_SMTP = SmtpSubmission()

# Of a message, by each login that sets a limit of its own.
MAX_BYTES = tuple(
    one.rules.max_bytes
    for one in (_ANYPOST, _POSTSCALE, _SMTP)
    if one.rules.max_bytes is not None
)


def find_dialect(username: str) -> SubmissionDialect:
    """The dialect of this login: a vendor's fixed word, or a pair of the operator's.

    One vendor's word is literal, the other's has no case.
    """
    if username == Dialect.ANYPOST.value:
        return _ANYPOST
    if username.lower() == Dialect.POSTSCALE.value:
        return _POSTSCALE
    return _SMTP
