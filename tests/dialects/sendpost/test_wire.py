import msgspec
import pytest

from appliance.dialects.sendpost.wire import field_text


@pytest.mark.parametrize(
    ("json", "text"),
    [
        (b'"Bob"', "Bob"),
        (b'""', ""),
        (b'"null"', "null"),
        (b'"a\\n\\u00e9"', "a\né"),
        (b"null", ""),
        (b"true", "true"),
        (b"false", "false"),
        (b"0", "0"),
        (b"19.90", "19.90"),
        (b"1e999", "1e999"),
        (b"9" * 5000, "9" * 5000),
        (b"[1, 2]", "[1, 2]"),
        (b'{"a":"\xc3\xa9"}', '{"a":"é"}'),
    ],
)
def test_a_custom_field_is_text(json: bytes, text: str) -> None:
    """ATTACKS 10: a price keeps its zeros, and no number is too large to show."""
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    assert field_text(decoder.decode(b'{"x" : ' + json + b" }")["x"]) == text
