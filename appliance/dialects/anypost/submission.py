"""SMTP submission as Anypost documents it (spec 15)."""

from collections.abc import Sequence
from types import MappingProxyType
from uuid import UUID

from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import Dimensions
from appliance.dialects.anypost.headers import read_dimensions, strips
from appliance.dialects.anypost.ids import email_id
from appliance.dialects.limits import MEBIBYTE
from appliance.dialects.names import Dialect
from appliance.dialects.replies import HOUSE_WORDS, Words, reply_to
from appliance.dialects.submission import Moment, Rules
from appliance.smtp.reply import EnhancedCode, Reply

# What the vendor's tables say (spec 15.4), word for word, with the name of what is
# at fault behind it. The null sender is one without a verified domain (spec 15.3).
_WORDS: Words = MappingProxyType(
    {
        **HOUSE_WORDS,
        Reason.LOGIN_REFUSED: "535 5.7.8 AUTH invalid",
        Reason.LOGIN_NEEDED: "530 5.7.0 Authentication required",
        Reason.NULL_SENDER: "550 5.7.1 domain_not_verified (MAIL FROM): {detail}",
        Reason.SENDER_NOT_VERIFIED: "550 5.7.1 domain_not_verified (From): {detail}",
        (Reason.SENDER_NOT_VERIFIED, "envelope"): (
            "550 5.7.1 domain_not_verified (MAIL FROM): {detail}"
        ),
        Reason.SENDER_NOT_PERMITTED: "550 5.7.1 domain_not_allowed (From): {detail}",
        (Reason.SENDER_NOT_PERMITTED, "envelope"): (
            "550 5.7.1 domain_not_allowed (MAIL FROM): {detail}"
        ),
        (Reason.SENDER_INVALID, "envelope"): "501 5.1.7 {detail}",
        Reason.RECIPIENT_INVALID: "501 5.1.3 {detail}",
        Reason.TOO_LARGE: "552 5.3.4 message too big",
        Reason.INVALID_VALUE: "550 5.6.0 {field}: {detail}",
        Reason.RATE_LIMITED: "452 4.7.1 daily limit exceeded",
        (Reason.STORE_UNAVAILABLE, Moment.END): "451 4.3.0 Temporary failure",
    }
)


class AnypostSubmission:
    """The dialect of the login ``anypost``."""

    name = Dialect.ANYPOST
    rules = Rules(
        checks_envelope=True,
        refuses_suppressed=False,
        one_sender=False,
        max_recipients=100,
        max_bytes=5 * MEBIBYTE,
    )

    def read_dimensions(
        self, headers: Sequence[tuple[str, str]]
    ) -> Dimensions | Refusal:
        """Tags, topic and campaign, or what is wrong with the first bad header."""
        return read_dimensions(headers)

    def strips(self, name: str) -> bool:
        """True for all that is said to us alone; ``name`` is in lower case."""
        return strips(name)

    def accepted(self, message: UUID, deliveries: Sequence[UUID]) -> Reply:  # noqa: ARG002 - this vendor has no id for the message
        """One id per recipient, on one line however many they are (spec 15.7).

        Clients look for ``250 OK ids=``, so there is no enhanced code before it.
        """
        return Reply(250, ("OK ids=" + " ".join(map(email_id, deliveries)),))

    def logged_in(self) -> Reply:
        """The answer to a good key."""
        return Reply(235, ("AUTH OK!",), EnhancedCode(2, 7, 0))

    def refuse(self, refusal: Refusal, moment: Moment) -> Reply:
        """The answer to what is not taken, in the vendor's words."""
        return reply_to(_WORDS, refusal, moment)
