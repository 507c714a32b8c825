"""One accepted submission: immutable."""

from dataclasses import dataclass

from appliance.core.delivery import NewDelivery
from appliance.core.ids import CredentialId, DomainId, PoolId, SubAccountId
from appliance.core.submission import Submission


@dataclass(frozen=True, slots=True)
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
