"""A domain that may appear in From, and the DNS records that prove and serve it."""

from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from appliance.core.ids import DomainId, SubAccountId
from appliance.core.submission import Tracking


class Purpose(Enum):
    """What a DNS record is for; the values are what people type and read."""

    DKIM = "dkim"
    DKIM_ED25519 = "dkim-ed25519"
    RETURN_PATH = "return-path"
    TRACKING = "tracking"
    DMARC = "dmarc"


class Proof(Enum):
    """On whose word a record counts as verified."""

    NONE = "none"
    DNS = "dns"
    OPERATOR = "operator"


class Algorithm(Enum):
    """A DKIM signing algorithm (RFC 8301, RFC 8463)."""

    RSA_SHA256 = "rsa-sha256"
    ED25519_SHA256 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A signing key; ``public`` is the base64 that goes into ``p=``."""

    selector: str
    algorithm: Algorithm
    public: str
    private_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One DNS record to publish and what is known of it.

    ``failure`` says what was found instead, "" when nothing is wrong or
    nothing was looked up yet.
    """

    purpose: Purpose
    host: str
    type: str
    value: str
    proof: Proof = Proof.NONE
    checked_ns: int = 0
    failure: str = ""

    @property
    def verified(self) -> bool:
        """True if the record may be relied on."""
        return self.proof is not Proof.NONE


NO_TRACKING = Tracking(opens=False, clicks=False, unsubscribes=False)


@dataclass(frozen=True, slots=True)
class SenderDomain:
    """A sender domain with its keys and records.

    ``tracking`` holds for mail that says nothing about it, as all SMTP mail does.
    """

    id: DomainId
    uuid: UUID
    sub_account: SubAccountId
    name: str
    created_ns: int
    keys: tuple[DkimKey, ...]
    records: tuple[Record, ...]
    tracking: Tracking = NO_TRACKING

    def record(self, purpose: Purpose) -> Record | None:
        """The record for ``purpose``, if the domain has one."""
        return next((one for one in self.records if one.purpose is purpose), None)

    def verified_host(self, purpose: Purpose) -> str:
        """The host name of a verified record, "" if it is not verified."""
        record = self.record(purpose)
        return record.host if record is not None and record.verified else ""

    @property
    def verified(self) -> bool:
        """True if mail from this domain may be accepted: its DKIM key is proven."""
        return bool(self.verified_host(Purpose.DKIM))

    @property
    def signing_keys(self) -> tuple[DkimKey, ...]:
        """The keys whose public halves receivers can find."""
        purposes = {
            Algorithm.RSA_SHA256: Purpose.DKIM,
            Algorithm.ED25519_SHA256: Purpose.DKIM_ED25519,
        }
        return tuple(
            key for key in self.keys if self.verified_host(purposes[key.algorithm])
        )
