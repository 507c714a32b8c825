import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialects.postscale.metadata import MAX_PAIRS, read_metadata

PREFIX = "x-postscale-metadata-"
KEY = re.compile(r"[a-z0-9._-]{1,64}")

names = st.sampled_from(["a", "b", "order-id", "c" * 65, "", "sp ace"]) | st.text()


def test_the_documented_headers_are_read() -> None:
    """The example of the relay guide (spec 5.3)."""
    headers = [
        ("subject", "Receipt"),
        (f"{PREFIX}order-id", "ord_456"),
        (f"{PREFIX}template", "receipt"),
    ]
    assert read_metadata(headers) == {"order-id": "ord_456", "template": "receipt"}


def test_the_last_of_a_repeated_key_counts() -> None:
    """Spec 5.3, also when there is no room for another key."""
    full = [(f"{PREFIX}{number}", "x") for number in range(MAX_PAIRS)]
    found = read_metadata([*full, (f"{PREFIX}0", "y"), (f"{PREFIX}more", "z")])
    assert len(found) == MAX_PAIRS
    assert found["0"] == "y"
    assert "more" not in found


def test_encoded_words_are_decoded() -> None:
    """Client libraries write other than ASCII so (RFC 2047)."""
    headers = [(f"{PREFIX}city", "=?utf-8?q?K=C3=B6ln?=")]
    assert read_metadata(headers) == {"city": "K\u00f6ln"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (PREFIX, "no key"),
        (PREFIX + "k" * 65, "long key"),
        (PREFIX + "a b", "blank in the key"),
        (PREFIX + "\u00e9", "other than ASCII in the key"),
        (PREFIX + "long", "x" * 1_025),
        ("x-postscale-metadata", "no prefix"),
        ("metadata-a", "no prefix"),
    ],
)
def test_what_is_out_of_bounds_is_left_out(name: str, value: str) -> None:
    """The mail goes out all the same, with its header (spec 5.3)."""
    good = f"{PREFIX}a", "x" * 1_024
    assert read_metadata([(name, value), good]) == {"a": "x" * 1_024}


@given(st.lists(st.tuples(names.map(PREFIX.__add__), st.text()), max_size=80))
def test_whatever_is_read_is_within_bounds(headers: list[tuple[str, str]]) -> None:
    """ATTACKS 9: any header gives sound metadata or none, never an error."""
    found = read_metadata(headers)
    assert len(found) <= MAX_PAIRS
    assert all(KEY.fullmatch(key) for key in found)
    assert all(len(value) <= 1_024 for value in found.values())
    assert {PREFIX + key for key in found} <= {name for name, _ in headers}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.text("xyz0123456789_-.", max_size=20),
        )
    )
)
def test_plain_values_are_kept_as_they_are(pairs: list[tuple[str, str]]) -> None:
    """A later value replaces an earlier one, as in a dictionary."""
    headers = [(PREFIX + key, value) for key, value in pairs]
    assert read_metadata(headers) == dict(pairs)
