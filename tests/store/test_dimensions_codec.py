from hypothesis import given
from hypothesis import strategies as st

from appliance.core.submission import NO_DIMENSIONS, Dimensions
from appliance.store.dimensions_codec import decode_dimensions, encode_dimensions

words = st.lists(st.text()).map(tuple)
dimensions = st.builds(
    Dimensions,
    groups=words,
    tags=words,
    topic=st.text(),
    campaign=st.text(),
    metadata=st.dictionaries(st.text(), st.text()),
)


@given(dimensions)
def test_dimensions_come_back(attached: Dimensions) -> None:
    """Whatever a sender attached is what the readers of events are told."""
    assert decode_dimensions(encode_dimensions(attached)) == attached


def test_nothing_takes_no_room() -> None:
    """Most mail carries none, and an event is written for each of its steps."""
    assert encode_dimensions(Dimensions()) == ""
    assert decode_dimensions("") is NO_DIMENSIONS
