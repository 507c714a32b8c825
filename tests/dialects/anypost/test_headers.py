import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import NO_DIMENSIONS, Dimensions
from appliance.dialects.anypost.headers import read_dimensions, strips

NAMES = ["x-anypost-tags", "x-anypost-tag", "x-anypost-topic", "x-campaign"]
TEN = [f"tag-{number}" for number in range(10)]
LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
TOPIC = re.compile(r"[a-z0-9_.-]{1,64}")

labels = st.from_regex(LABEL, fullmatch=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | labels,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def read(*headers: tuple[str, str]) -> Dimensions | Refusal:
    """What is read in these headers."""
    return read_dimensions(headers)


def test_a_mail_without_them_has_no_dimensions() -> None:
    """Most mail has none of the headers, and they are all optional."""
    assert read(("subject", "x-campaign"), ("x-other", "1")) is NO_DIMENSIONS


def test_the_documented_headers_are_read() -> None:
    """Spec 15.5, in one mail."""
    assert read(
        ("x-anypost-tags", '["welcome","onboarding"]'),
        ("x-anypost-topic", "product.news"),
        ("x-campaign", "Spring_2026"),
    ) == Dimensions(
        tags=("welcome", "onboarding"), topic="product.news", campaign="Spring_2026"
    )


def test_one_tag_may_be_repeated_as_a_header() -> None:
    """The other form of tags: a header for each."""
    tags = [("x-anypost-tag", "b"), ("subject", "Hi"), ("x-anypost-tag", "a")]
    assert read(*tags) == Dimensions(tags=("b", "a"))


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("[]", ()),
        ('[ "a" , "b" ]', ("a", "b")),
        ('["b","a","b"]', ("b", "a")),
        ('["\\u0061"]', ("a",)),
        (json.dumps(TEN * 3), tuple(TEN)),
        (json.dumps(["x" * 64]), ("x" * 64,)),
    ],
)
def test_an_array_of_tags_is_json(value: str, tags: tuple[str, ...]) -> None:
    """Repetitions are dropped, the order of the first appearance is kept."""
    assert read(("x-anypost-tags", value)) == Dimensions(tags=tags)


@pytest.mark.parametrize(
    ("headers", "field", "what"),
    [
        (
            [("x-anypost-tags", '["a"]'), ("x-anypost-tags", '["b"]')],
            "X-Anypost-Tags",
            "appears more than once",
        ),
        (
            [("x-anypost-topic", "a"), ("x-anypost-topic", "a")],
            "X-Anypost-Topic",
            "appears more than once",
        ),
        (
            [("x-campaign", "a"), ("x-campaign", "b")],
            "X-Campaign",
            "appears more than once",
        ),
        (
            [("x-anypost-tag", "a"), ("x-anypost-tags", "[]")],
            "X-Anypost-Tags",
            "cannot be combined with X-Anypost-Tag",
        ),
        (
            [("x-anypost-tags", json.dumps([*TEN, "one-more"]))],
            "X-Anypost-Tags",
            "more than 10 tags",
        ),
        (
            [("x-anypost-tag", tag) for tag in [*TEN, "one-more"]],
            "X-Anypost-Tag",
            "more than 10 tags",
        ),
        (
            [("x-anypost-tags", json.dumps(["a"] * 5_000))],
            "X-Anypost-Tags",
            "is longer than 8192 characters",
        ),
        (
            [("x-anypost-tags", '["two words"]')],
            "X-Anypost-Tags",
            '"two words" does not match [A-Za-z0-9_-]{1,64}',
        ),
        (
            [("x-anypost-tag", "")],
            "X-Anypost-Tag",
            '"" does not match [A-Za-z0-9_-]{1,64}',
        ),
        (
            [("x-anypost-topic", "News")],
            "X-Anypost-Topic",
            '"News" does not match [a-z0-9_.-]{1,64}',
        ),
        (
            [("x-campaign", "=?utf-8?q?spring?=")],
            "X-Campaign",
            '"=?utf-8?q?spring?=" does not match [A-Za-z0-9_-]{1,64}',
        ),
        (
            [("x-campaign", "a.b")],
            "X-Campaign",
            '"a.b" does not match [A-Za-z0-9_-]{1,64}',
        ),
    ],
)
def test_a_malformed_header_is_named(
    headers: list[tuple[str, str]], field: str, what: str
) -> None:
    """Spec 15.5: told in the exchange, with the header and what is wrong with it."""
    assert read(*headers) == Refusal(Reason.INVALID_VALUE, field, what)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "welcome",
        '"welcome"',
        "welcome,onboarding",
        '["a"',
        '["a"] x',
        "[1]",
        "[null]",
        '[["a"]]',
        '{"a":1}',
        "['a']",
        "null",
        '["a\ud800"]',
        "[" * 8_000,
    ],
)
def test_tags_that_are_no_array_of_strings_are_refused(value: str) -> None:
    """Spec 15.5; ATTACKS 10: a deep one is refused like any other."""
    assert read(("x-anypost-tags", value)) == Refusal(
        Reason.INVALID_VALUE, "X-Anypost-Tags", "is not a JSON array of strings"
    )


@pytest.mark.parametrize(
    "value", ["x" * 65, "a\n", "a\u0660", "\u00e4", "a b", "a\x00"]
)
@pytest.mark.parametrize("name", ["x-anypost-tag", "x-anypost-topic", "x-campaign"])
def test_labels_are_short_and_plain(name: str, value: str) -> None:
    """Spec 4: only ASCII letters, digits and a few marks, at most 64 of them."""
    assert isinstance(read((name, value)), Refusal)


@given(st.lists(labels, max_size=10))
def test_any_good_tags_are_read(tags: list[str]) -> None:
    """Both forms say the same."""
    expected = tuple(dict.fromkeys(tags))
    both = (
        read(("x-anypost-tags", json.dumps(tags))),
        read(*[("x-anypost-tag", tag) for tag in tags]),
    )
    for found in both:
        assert isinstance(found, Dimensions)
        assert found.tags == expected


@given(json_values)
def test_any_json_is_tags_or_refused(value: object) -> None:
    """An array of good strings and nothing else, as Python's own reader sees it."""
    good = (
        isinstance(value, list)
        and all(isinstance(one, str) and LABEL.fullmatch(one) for one in value)
        and len(set(value)) <= 10
    )
    found = read(("x-anypost-tags", json.dumps(value)))
    assert isinstance(found, Dimensions) == good


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.text() | labels | st.just("[]"))),
)
def test_whatever_stands_in_them_is_good_or_refused(
    headers: list[tuple[str, str]],
) -> None:
    """ATTACKS 9: nothing else is raised, and what is kept fits the patterns."""
    found = read_dimensions(headers)
    if isinstance(found, Refusal):
        assert found.reason is Reason.INVALID_VALUE
        assert found.field.lower() in NAMES
        return
    assert all(LABEL.fullmatch(tag) for tag in found.tags)
    assert not found.topic or TOPIC.fullmatch(found.topic)
    assert not found.campaign or LABEL.fullmatch(found.campaign)


@pytest.mark.parametrize("name", [*NAMES, "x-anypost-", "x-anypost-new"])
def test_headers_for_us_are_stripped(name: str) -> None:
    """Recipients never see them, also those that mean nothing to us."""
    assert strips(name)


@pytest.mark.parametrize(
    "name", ["x-campaign-id", "x-anypost", "anypost-tag", "subject", "x-custom"]
)
def test_other_headers_stay(name: str) -> None:
    """Other X- headers pass through (spec 15.6)."""
    assert not strips(name)
