from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from appliance.core.ids import Uuid7Maker, parse_uuid, uuid7


@given(st.lists(st.integers(min_value=0, max_value=2**47), min_size=2, max_size=50))
def test_ids_sort_in_the_order_in_which_they_were_made(clock: list[int]) -> None:
    """Also when the clock stands still or steps back (RFC 9562 6.2)."""
    maker = Uuid7Maker()
    made = [maker.make(now_ms) for now_ms in clock]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_of_one_millisecond_run_over_into_the_next() -> None:
    """More ids than the counter holds still sort and differ."""
    maker = Uuid7Maker()
    made = [maker.make(1_000) for _ in range(5_000)]
    assert made == sorted(set(made))


def test_an_id_is_a_uuid_of_version_7() -> None:
    """Version and variant are those of RFC 9562 5.7."""
    made = uuid7()
    assert made.version == 7
    assert made.variant == RFC_4122


def test_the_time_can_be_read_back() -> None:
    """The first 48 bits are milliseconds since 1970."""
    assert Uuid7Maker().make(1_700_000_000_000).int >> 80 == 1_700_000_000_000


def test_only_the_usual_spelling_of_a_uuid_is_read() -> None:
    """Braces, URNs and missing hyphens are not what we wrote."""
    made = uuid7()
    assert parse_uuid(str(made)) == made
    assert parse_uuid(str(made).upper()) == made
    assert parse_uuid(made.hex) is None
    assert parse_uuid(f"{{{made}}}") is None
    assert parse_uuid("no uuid") is None
