"""DNS records in zone-file form, read back by dnspython."""

import dns.rdatatype
import dns.zone
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.zone import txt_strings, zone_line
from appliance.core.domain import Purpose, Record

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=700)


@given(PRINTABLE)
def test_txt_records_are_read_back_whole(value: str) -> None:
    """Long values are split at 255, quotes and backslashes survive."""
    line = zone_line(Record(Purpose.DKIM, "x._domainkey.example.com", "TXT", value))
    zone = dns.zone.from_text(line, "example.com", relativize=False, check_origin=False)
    (data,) = zone.find_rdataset("x._domainkey.example.com.", dns.rdatatype.TXT)
    assert b"".join(data.strings) == value.encode()
    assert max(map(len, data.strings)) <= 255


def test_cname_records_point_to_absolute_names() -> None:
    """Without the dot the zone's own name would be appended."""
    record = Record(Purpose.TRACKING, "t.example.com", "CNAME", "mail.example.net")
    assert zone_line(record) == "t.example.com. 3600 IN CNAME mail.example.net."


def test_an_empty_value_is_one_empty_string() -> None:
    """A TXT record has at least one string (RFC 1035 3.3.14)."""
    assert txt_strings("") == [""]
