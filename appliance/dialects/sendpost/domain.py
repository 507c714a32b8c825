"""The names a sender domain needs in DNS, and the records that carry them (spec 14)."""

from appliance.core.domain import Purpose, Record

RSA_SELECTOR = "sp-dkim"
# The vendor has no second key; a name that sorts beside the first one.
ED25519_SELECTOR = "sp-dkim-ed"
RETURN_PATH_LABEL = "sp-bounce"
TRACKING_LABEL = "sp-track"


def return_path_host(name: str) -> str:
    """The host that takes bounces for the sender domain ``name``."""
    return f"{RETURN_PATH_LABEL}.{name}"


def tracking_host(name: str) -> str:
    """The host in the tracking links of the sender domain ``name``."""
    return f"{TRACKING_LABEL}.{name}"


def records_for(
    name: str, public_host: str, bounce_host: str, rsa_public: str, ed_public: str
) -> tuple[Record, ...]:
    """The records to publish for ``name``, none of them verified yet.

    The hosts are the appliance's own; the keys are the base64 for ``p=``.
    """
    rsa_host = f"{RSA_SELECTOR}._domainkey.{name}"
    ed_host = f"{ED25519_SELECTOR}._domainkey.{name}"
    return (
        Record(Purpose.DKIM, rsa_host, "TXT", _dkim("rsa", rsa_public)),
        Record(Purpose.DKIM_ED25519, ed_host, "TXT", _dkim("ed25519", ed_public)),
        Record(Purpose.RETURN_PATH, return_path_host(name), "CNAME", bounce_host),
        Record(Purpose.TRACKING, tracking_host(name), "CNAME", public_host),
        Record(Purpose.DMARC, f"_dmarc.{name}", "TXT", "v=DMARC1; p=none;"),
    )


def _dkim(kind: str, public: str) -> str:
    """A DKIM key record for mail, SHA-256 only (RFC 6376 3.6.1, RFC 8463 4)."""
    return f"v=DKIM1;k={kind};s=email;h=sha256;p={public}"
