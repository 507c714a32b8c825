"""The names a sender domain needs in DNS, and the records that carry them (spec 14)."""

from collections.abc import Collection, Iterable
from itertools import count

from appliance.core.domain import (
    MAX_SELECTOR_CHARS,
    Algorithm,
    DkimKey,
    Purpose,
    Record,
)

RSA_SELECTOR = "sp-dkim"
# The vendor has no second key; a name that sorts beside the first one.
ED25519_SELECTOR = "sp-dkim-ed"
RETURN_PATH_LABEL = "sp-bounce"
TRACKING_LABEL = "sp-track"

_DEFAULT = {
    Algorithm.RSA_SHA256: RSA_SELECTOR,
    Algorithm.ED25519_SHA256: ED25519_SELECTOR,
}
_ENDING = {Algorithm.RSA_SHA256: "-rsa", Algorithm.ED25519_SHA256: "-ed"}


def return_path_host(name: str) -> str:
    """The host that takes bounces for the sender domain ``name``."""
    return f"{RETURN_PATH_LABEL}.{name}"


def tracking_host(name: str) -> str:
    """The host in the tracking links of the sender domain ``name``."""
    return f"{TRACKING_LABEL}.{name}"


def first_selector(algorithm: Algorithm) -> str:
    """Where a domain's first key of an algorithm stands if nobody says else."""
    return _DEFAULT[algorithm]


def selector_beside(selector: str, algorithm: Algorithm) -> str:
    """Where the second key stands, of this algorithm, if the first has its own name."""
    ending = _ENDING[algorithm]
    return selector[: MAX_SELECTOR_CHARS - len(ending)].rstrip("-.") + ending


def next_selector(algorithm: Algorithm, day: str, taken: Collection[str]) -> str:
    """Where a new key stands: a name that no key of the domain had before today.

    Not the old key's: resolvers remember what stood there. ``day`` is written
    without hyphens.
    """
    dated = f"{_DEFAULT[algorithm]}-{day}"
    names = (dated if number == 1 else f"{dated}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def records_for(
    name: str, public_host: str, bounce_host: str, keys: Iterable[DkimKey]
) -> tuple[Record, ...]:
    """The records to publish for ``name``, none of them verified yet.

    The hosts are the appliance's own.
    """
    return (
        *(dkim_record(name, key) for key in keys),
        Record(Purpose.RETURN_PATH, return_path_host(name), "CNAME", bounce_host),
        Record(Purpose.TRACKING, tracking_host(name), "CNAME", public_host),
        Record(Purpose.DMARC, f"_dmarc.{name}", "TXT", "v=DMARC1; p=none;"),
    )


def dkim_record(name: str, key: DkimKey) -> Record:
    """The record of a key, for mail and SHA-256 only (RFC 6376 3.6.1, RFC 8463 4)."""
    kind = key.algorithm.value.partition("-")[0]
    return Record(
        key.purpose,
        f"{key.selector}._domainkey.{name}",
        "TXT",
        f"v=DKIM1;k={kind};s=email;h=sha256;p={key.public}",
        selector=key.selector,
        stage=key.stage,
    )
