import pytest

from appliance.core.event import EventType


@pytest.mark.parametrize("kind", EventType)
def test_a_type_is_known_by_label_and_by_number(kind: EventType) -> None:
    """People type either."""
    assert EventType.parse(kind.label) is kind
    assert EventType.parse(str(int(kind))) is kind
    assert EventType.parse(f" {kind.label.upper()} ") is kind


@pytest.mark.parametrize("text", ["", "57", "sended", "58.0", "²"])
def test_what_is_no_type_is_refused(text: str) -> None:
    """A typo does not filter everything away in silence."""
    assert EventType.parse(text) is None
