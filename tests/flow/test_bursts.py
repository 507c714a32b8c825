from appliance.core.ids import uuid7
from appliance.flow.bursts import LINKS, REMEMBERED, WINDOW_NS, Bursts

DELIVERY = uuid7()


def test_all_links_at_once_are_a_burst() -> None:
    """From the third link on; what came before seemed to be a person."""
    bursts = Bursts()
    parts = [bursts.is_part(DELIVERY, link, link) for link in range(6)]
    assert parts == [False] * (LINKS - 1) + [True] * (6 - LINKS + 1)


def test_the_same_link_again_is_no_burst() -> None:
    """People click twice, and thrice."""
    bursts = Bursts()
    assert not any(bursts.is_part(DELIVERY, 1, now_ns) for now_ns in range(9))


def test_one_after_the_other_is_no_burst() -> None:
    """Each mail for itself, and only what is close together."""
    bursts = Bursts()
    slow = [bursts.is_part(DELIVERY, n, n * WINDOW_NS // 2) for n in range(9)]
    assert not any(slow)
    assert not any(bursts.is_part(uuid7(), link, 0) for link in range(9))


def test_a_flood_is_remembered_in_part() -> None:
    """ATTACKS 18: memory is bounded, whatever is clicked."""
    bursts = Bursts()
    for link in range(REMEMBERED + 10):
        bursts.is_part(uuid7(), link, 0)
    assert len(bursts._recent) == REMEMBERED
    for link in range(1_000):
        bursts.is_part(DELIVERY, link, 0)
    assert len(bursts._recent[DELIVERY]) == LINKS
