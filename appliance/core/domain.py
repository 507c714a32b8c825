"""A domain that may appear in From, and the DNS records that prove and serve it.

A record is proven by one look at the DNS that finds it, and given up only after
several that do not, about a day apart: an owner's slip of an hour stops no mail.
A DKIM key is replaced with an overlap: the new one signs once its record was seen,
and the record of the old one stays published for mail that is under way.
"""

import re
from dataclasses import dataclass, field, replace
from enum import Enum
from uuid import UUID

from appliance.core.ids import DomainId, SubAccountId
from appliance.core.submission import Tracking

FAILED_LOOKS = 3  # so many daily looks in a row give a proven record up
MAX_SELECTOR_CHARS = 63
_HOUR_NS = 3_600 * 1_000_000_000
LOOKS_APART_NS = 20 * _HOUR_NS  # looks that are nearer to each other count as one
KEEP_RETIRED_NS = 7 * 24 * _HOUR_NS  # mail may wait that long before it is verified

_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


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


class Stage(Enum):
    """Where a DKIM key is in its life."""

    NEXT = "next"  # signs once its record is seen
    ACTIVE = "active"
    RETIRED = "retired"  # signs no more; its record is kept for a while


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A signing key; ``public`` is the base64 that goes into ``p=``.

    ``since_ns`` is when it came to its stage, 0 for keys as old as their domain.
    """

    selector: str
    algorithm: Algorithm
    public: str
    private_pem: bytes = field(repr=False)
    stage: Stage = Stage.ACTIVE
    since_ns: int = 0

    @property
    def purpose(self) -> Purpose:
        """What its record is for."""
        if self.algorithm is Algorithm.RSA_SHA256:
            return Purpose.DKIM
        return Purpose.DKIM_ED25519

    @property
    def kept_until_ns(self) -> int:
        """When the record of a retired key may go."""
        return self.since_ns + KEEP_RETIRED_NS


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the DNS said of one record; ``failure`` is "" if it is right.

    ``answered`` is false if no resolver was: that proves nothing either way.
    """

    purpose: Purpose
    selector: str
    at_ns: int
    failure: str = ""
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """One DNS record to publish and what is known of it.

    ``failure`` says what was found instead, "" when nothing is wrong or
    nothing was looked up yet. ``selector`` is that of the key it publishes, which
    is at ``stage``; ``misses`` are the looks that failed since one did not.
    """

    purpose: Purpose
    host: str
    type: str
    value: str
    proof: Proof = Proof.NONE
    checked_ns: int = 0
    failure: str = ""
    selector: str = ""
    stage: Stage = Stage.ACTIVE
    misses: int = 0
    missed_ns: int = 0

    @property
    def verified(self) -> bool:
        """True if the record may be relied on."""
        return self.proof is not Proof.NONE

    def after(self, look: Look) -> "Record":
        """What is known when a look has been taken in; the operator's word stands."""
        seen = replace(self, checked_ns=look.at_ns, failure=look.failure)
        if not look.failure:
            proof = Proof.DNS if self.proof is Proof.NONE else self.proof
            return replace(seen, proof=proof, misses=0, missed_ns=0)
        if self.proof is not Proof.DNS or not look.answered:
            return seen
        if self.misses and abs(look.at_ns - self.missed_ns) < LOOKS_APART_NS:
            return seen
        if self.misses + 1 < FAILED_LOOKS:
            return replace(seen, misses=self.misses + 1, missed_ns=look.at_ns)
        return replace(seen, proof=Proof.NONE, misses=0, missed_ns=0)


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
        """The record for ``purpose`` that counts now, if the domain has one."""
        for one in self.records:  # asked for several times a mail
            if one.purpose is purpose and one.stage is Stage.ACTIVE:
                return one
        return None

    def at(self, stage: Stage, purpose: Purpose | None = None) -> tuple[Record, ...]:
        """The records of keys at a stage; those of no key are always ACTIVE."""
        return tuple(
            one
            for one in self.records
            if one.stage is stage and (purpose is None or one.purpose is purpose)
        )

    def key(self, selector: str) -> DkimKey | None:
        """The key under a selector, at whatever stage it is."""
        return next((one for one in self.keys if one.selector == selector), None)

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
        """The keys that sign: those whose public halves receivers can find."""
        return tuple(
            key
            for key in self.keys
            if key.stage is Stage.ACTIVE and self.verified_host(key.purpose)
        )


def is_selector(text: str) -> bool:
    """True for names that a DKIM key may stand under (RFC 6376 3.1), in lower case."""
    return len(text) <= MAX_SELECTOR_CHARS and _SELECTOR.fullmatch(text) is not None
