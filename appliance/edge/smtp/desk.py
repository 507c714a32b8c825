"""What all submission sessions share: who knows keys and rules, and what is set."""

from dataclasses import dataclass

from appliance.core.address import Address
from appliance.core.domain import NO_TRACKING, Purpose
from appliance.core.ids import SubAccountId
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import Tracking
from appliance.core.suppression import ANY_MAIL, Mail
from appliance.core.verp import parse_return_path
from appliance.edge.keys import KeyRing
from appliance.edge.smtp.guard import Guard
from appliance.edge.smtp.reading import Habits
from appliance.edge.smtp.session import Cipher, Peer, Session
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.intake import Intake
from appliance.flow.returns import ReturnDesk
from appliance.smtp.server import SmtpServer


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the operator allows: for logins whose dialect says nothing, and at most.

    ``returned_bytes`` is for mail that comes back, without a login.
    """

    message_bytes: int
    recipients: int
    returned_bytes: int


class Desk:
    """What all sessions share."""

    def __init__(
        self,
        intake: Intake,
        keys: KeyRing,
        directory: DirectoryKeeper,
        guard: Guard,
        *,
        returns: ReturnDesk,
        habits: Habits,
        sizes: Sizes,
    ) -> None:
        self.returns = returns
        self.intake = intake
        self.keys = keys
        self.directory = directory
        self.guard = guard
        self.habits = habits
        self.sizes = sizes

    def session(self, peer: Peer, server: SmtpServer, cipher: Cipher) -> Session:
        """The decisions for one session; ``cipher`` says how it is protected."""
        return Session(self, peer, server, cipher)

    def is_own_return_path(self, address: Address) -> bool:
        """True for an address at which our own bounces arrive (ATTACKS 8)."""
        if parse_return_path(address) is None:
            return False
        domains = self.directory.current.domains_by_id.values()
        return any(
            address.domain == one.verified_host(Purpose.RETURN_PATH) for one in domains
        )

    def suppression(
        self, owner: SubAccountId, address: Address, mail: Mail = ANY_MAIL
    ) -> Refusal | None:
        """The refusal of a recipient that does not get this mail, with the reason.

        Of any mail, that is: that gets none at all, which is what RCPT can tell.
        """
        now_ns = self.intake.now_ns()
        why = self.directory.suppression(owner, address, now_ns, mail)
        if why is None:
            return None
        detail = f"<{address}>: Recipient suppressed ({why.label})"
        return Refusal(Reason.RECIPIENT_SUPPRESSED, "to", detail)

    def tracking(self, owner: SubAccountId, domain: str) -> Tracking:
        """What is tracked in mail from this domain that says nothing about it."""
        found = self.directory.current.domains.get((owner, domain))
        return NO_TRACKING if found is None else found.tracking
