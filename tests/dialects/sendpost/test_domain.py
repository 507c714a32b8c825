from appliance.core.address import is_domain
from appliance.core.domain import Purpose, Record
from appliance.dialects.sendpost.domain import (
    records_for,
    return_path_host,
    tracking_host,
)


def test_the_records_are_the_documented_ones() -> None:
    """What is published for this appliance differs from the vendor's in values only."""
    records = records_for(
        "example.com", "post.example.net", "bounce.example.net", "UlNB", "RUQ="
    )
    assert records == (
        Record(
            Purpose.DKIM,
            "sp-dkim._domainkey.example.com",
            "TXT",
            "v=DKIM1;k=rsa;s=email;h=sha256;p=UlNB",
        ),
        Record(
            Purpose.DKIM_ED25519,
            "sp-dkim-ed._domainkey.example.com",
            "TXT",
            "v=DKIM1;k=ed25519;s=email;h=sha256;p=RUQ=",
        ),
        Record(
            Purpose.RETURN_PATH,
            "sp-bounce.example.com",
            "CNAME",
            "bounce.example.net",
        ),
        Record(Purpose.TRACKING, "sp-track.example.com", "CNAME", "post.example.net"),
        Record(Purpose.DMARC, "_dmarc.example.com", "TXT", "v=DMARC1; p=none;"),
    )


def test_nothing_counts_as_verified_yet() -> None:
    """A record is proven by a look at DNS or by the operator, never by being made."""
    records = records_for("example.com", "a.example", "b.example", "x", "y")
    assert not any(record.verified for record in records)
    assert {record.purpose for record in records} == set(Purpose)


def test_the_hosts_are_host_names() -> None:
    """Mail and links can use them as they are."""
    assert is_domain(return_path_host("example.com"))
    assert is_domain(tracking_host("example.com"))
