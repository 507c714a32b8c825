"""One accepted submission: immutable."""

from collections.abc import Sequence

from appliance.core.delivery import NewDelivery
from appliance.core.ids import CredentialId, DomainId, PoolId, SubAccountId
from appliance.core.submission import Idempotency, Submission
from appliance.value import value


@value
class NewMessage:
    """A submission that passed every check, about to be stored.

    The first delivery is the ``to`` recipient's; its UUID is the message's too.
    """

    submission: Submission
    sub_account: SubAccountId
    credential: CredentialId | None
    domain: DomainId
    pool: PoolId
    pool_name: str
    accepted_ns: int
    deliveries: tuple[NewDelivery, ...]


@value
class Request:
    """What a door answers once: its messages are stored together or not at all.

    They belong to one sub-account.
    """

    messages: Sequence[NewMessage]
    idempotency: Idempotency | None = None

    @property
    def sub_account(self) -> SubAccountId:
        """Whose messages they are."""
        return self.messages[0].sub_account
