from appliance.core.address import is_domain
from appliance.core.domain import (
    Algorithm,
    DkimKey,
    Purpose,
    Record,
    Stage,
    is_selector,
)
from appliance.dialects.sendpost.domain import (
    dkim_record,
    next_selector,
    records_for,
    return_path_host,
    selector_beside,
    tracking_host,
)

KEYS = (
    DkimKey("sp-dkim", Algorithm.RSA_SHA256, "UlNB", b""),
    DkimKey("sp-dkim-ed", Algorithm.ED25519_SHA256, "RUQ=", b""),
)


def test_the_records_are_the_documented_ones() -> None:
    """What is published for this appliance differs from the vendor's in values only."""
    records = records_for("example.com", "post.example.net", "bounce.example.net", KEYS)
    assert records == (
        Record(
            Purpose.DKIM,
            "sp-dkim._domainkey.example.com",
            "TXT",
            "v=DKIM1;k=rsa;s=email;h=sha256;p=UlNB",
            selector="sp-dkim",
        ),
        Record(
            Purpose.DKIM_ED25519,
            "sp-dkim-ed._domainkey.example.com",
            "TXT",
            "v=DKIM1;k=ed25519;s=email;h=sha256;p=RUQ=",
            selector="sp-dkim-ed",
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
    records = records_for("example.com", "a.example", "b.example", KEYS)
    assert not any(record.verified for record in records)
    assert {record.purpose for record in records} == set(Purpose)


def test_the_hosts_are_host_names() -> None:
    """Mail and links can use them as they are."""
    assert is_domain(return_path_host("example.com"))
    assert is_domain(tracking_host("example.com"))


def test_a_key_that_waits_has_its_record_too() -> None:
    """It says of itself that it waits, so that nothing counts on it yet."""
    key = DkimKey("k2", Algorithm.RSA_SHA256, "UlNB", b"", Stage.NEXT)
    record = dkim_record("example.com", key)
    assert record.host == "k2._domainkey.example.com"
    assert (record.selector, record.stage) == ("k2", Stage.NEXT)


def test_a_new_key_never_stands_where_another_stood() -> None:
    """A resolver may remember for long what was there, or that nothing was."""
    rsa = Algorithm.RSA_SHA256
    assert next_selector(rsa, "20250102", ["sp-dkim"]) == "sp-dkim-20250102"
    taken = ["sp-dkim-20250102", "sp-dkim-20250102-2"]
    assert next_selector(rsa, "20250102", taken) == "sp-dkim-20250102-3"
    ed = Algorithm.ED25519_SHA256
    assert next_selector(ed, "20250102", taken) == "sp-dkim-ed-20250102"


def test_the_second_key_is_named_after_the_first() -> None:
    """However long that name is, and wherever it would be cut."""
    assert selector_beside("key2", Algorithm.ED25519_SHA256) == "key2-ed"
    for name in ("a" * 63, "a" * 58 + ".b", "a" * 57 + "-b"):
        beside = selector_beside(name, Algorithm.RSA_SHA256)
        assert is_selector(beside)
        assert beside != name
