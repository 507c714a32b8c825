import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.mailbox_hosts import class_of_domain, class_of_mx
from appliance.core.recipient_class import RecipientClass as Class


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("gmail.com", Class.GMAIL),
        ("googlemail.com", Class.GMAIL),
        ("yahoo.com", Class.YAHOO),
        ("yahoo.co.uk", Class.YAHOO),
        ("ymail.com", Class.YAHOO),
        ("aol.com", Class.AOL),
        ("hotmail.fr", Class.MICROSOFT),
        ("outlook.com", Class.MICROSOFT),
        ("live.nl", Class.MICROSOFT),
        ("msn.com", Class.MICROSOFT),
        ("comcast.net", Class.COMCAST),
        ("yandex.ru", Class.YANDEX),
        ("gmx.de", Class.GMX),
        ("bk.ru", Class.MAILRU),
        ("me.com", Class.ICLOUD),
        ("zoho.com", Class.ZOHO),
        ("foxmail.com", Class.QQ),
        ("sbcglobal.net", Class.ATT),
    ],
)
def test_mailbox_providers_are_known_by_name(domain: str, expected: Class) -> None:
    """No look-up is needed for where most private mail goes."""
    assert class_of_domain(domain) is expected


@pytest.mark.parametrize(
    "domain",
    ["example.com", "notgmail.com", "gmail.com.example", "yahoo.co.jp", "com", ""],
)
def test_other_domains_are_not_known_by_name(domain: str) -> None:
    """A name that only looks like a provider's is not taken for it."""
    assert class_of_domain(domain) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("aspmx.l.google.com", Class.GOOGLEWORKSPACE),
        ("alt1.aspmx.l.google.com", Class.GOOGLEWORKSPACE),
        ("aspmx2.googlemail.com", Class.GOOGLEWORKSPACE),
        ("smtp.google.com", Class.GOOGLEWORKSPACE),
        ("gmail-smtp-in.l.google.com", Class.GMAIL),
        ("contoso-com.mail.protection.outlook.com", Class.OFFICE365),
        ("contoso-com.o-v1.mx.microsoft", Class.OFFICE365),
        ("hotmail-com.olc.protection.outlook.com", Class.MICROSOFT),
        ("mta5.am0.yahoodns.net", Class.YAHOO),
        ("mx-aol.mail.gm0.yahoodns.net", Class.AOL),
        ("mx01.mail.icloud.com", Class.ICLOUD),
        ("mx.yandex.net", Class.YANDEX),
        ("emx.mail.ru", Class.MAILRU),
        ("mxbiz1.qq.com", Class.QQ),
        ("mxa-00112233.gslb.pphosted.com", Class.PROOFPOINT),
        ("mx1-us1.ppe-hosted.com", Class.PROOFPOINT),
        ("eu-smtp-inbound-1.mimecast.com", Class.MIMECAST),
        ("d12345a.ess.barracudanetworks.com", Class.BARRACUDA),
        ("mx1.example.iphmx.com", Class.CISCOIRONPORT),
        ("mx1.emailsrvr.com", Class.RACKSPACE),
        ("mx2.zoho.eu", Class.ZOHOBUSINESS),
        ("inbound-smtp.eu-west-1.amazonaws.com", Class.AMAZONWORKMAIL),
        ("cluster1.eu.messagelabs.com", Class.SYMANTEC),
        ("example-com.fortimailcloud.com", Class.FORTINET),
        ("mx-01-eu-west-1.prod.hydra.sophos.com", Class.SOPHOS),
        ("example.in.tmes.trendmicro.eu", Class.TRENDMICRO),
        ("example.checkpointcloudsec.com", Class.CHECKPOINT),
        ("mail.example.com", Class.DEFAULT),
        ("evilpphosted.com", Class.DEFAULT),
        ("pphosted.com.example.org", Class.DEFAULT),
        ("ec2-192-0-2-1.compute.amazonaws.com", Class.DEFAULT),
    ],
)
def test_business_domains_are_known_by_their_mx(host: str, expected: Class) -> None:
    """Whole labels from the end decide, and the longest end that fits."""
    assert class_of_mx([f"10 {host}"]) is expected


def test_only_the_most_preferred_hosts_count() -> None:
    """A back-up host somewhere else does not make the domain another's."""
    filtered = ["20 aspmx.l.google.com", "10 mxa-1.gslb.pphosted.com"]
    assert class_of_mx(filtered) is Class.PROOFPOINT
    own = ["0 mail.example.com", "10 aspmx.l.google.com"]
    assert class_of_mx(own) is Class.DEFAULT
    mixed = ["10 mail.example.com", "10 mx1.emailsrvr.com"]
    assert class_of_mx(mixed) is Class.RACKSPACE


@pytest.mark.parametrize("records", [[], ["0 "], ["0 ."], ["x y"], ["10"], [""]])
def test_records_without_a_host_lead_nowhere(records: list[str]) -> None:
    """No MX, a null MX (RFC 7505) and nonsense are the default class."""
    assert class_of_mx(records) is Class.DEFAULT


@given(st.lists(st.text(max_size=300), max_size=5))
def test_whatever_a_zone_says_has_a_class(records: list[str]) -> None:
    """The owner of a domain writes these; none of it can raise."""
    assert class_of_mx(records) in Class
