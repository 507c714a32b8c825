"""What waits to be sent, and when it is."""

from appliance.agent.outbox import BATCH, BATCH_S, FULL, MAX_BODY, MOST_AT_ONCE, Outbox
from appliance.agent.place import Cursor, Place

NOW_S = 1_000.0


def filled(number: int, body: bytes = b"{}") -> Outbox:
    """One with so many events, each from a line of its own."""
    outbox = Outbox()
    for one in range(number):
        outbox.add(body, Cursor(f"c{one}"), NOW_S)
    return outbox


def take(outbox: Outbox, number: int) -> Place | None:
    """Be done with so many; the place behind them."""
    place = outbox.behind(number)
    outbox.remove(number, place)
    return place


def test_a_few_events_are_gathered_for_a_while() -> None:
    """A hundred go at once, fewer after five seconds, or when somebody waits."""
    outbox = filled(BATCH - 1)
    assert outbox.front(NOW_S + BATCH_S - 1) == []
    assert len(outbox.front(NOW_S + BATCH_S)) == BATCH - 1
    assert len(outbox.front(NOW_S - 1)) == BATCH - 1  # the clock was set back
    assert len(outbox.front(NOW_S, at_once=True)) == BATCH - 1
    outbox.hurry = True
    assert len(outbox.front(NOW_S)) == BATCH - 1
    assert len(filled(BATCH).front(NOW_S)) == BATCH
    assert Outbox().front(NOW_S, at_once=True) == []


def test_a_batch_fits_the_endpoint() -> None:
    """By number and by bytes; a single event always goes."""
    assert len(filled(MOST_AT_ONCE + 1).front(NOW_S)) == MOST_AT_ONCE
    assert len(filled(100, b"x" * (MAX_BODY // 10)).front(NOW_S)) < 11
    assert len(filled(100, b"x" * (MAX_BODY + 1)).front(NOW_S)) == 1


def test_it_is_full_before_it_is_large() -> None:
    """By number and by bytes."""
    assert not filled(FULL - 1).full
    assert filled(FULL).full
    assert filled(3, b"x" * (1 << 20)).full


def test_the_place_is_behind_what_was_taken() -> None:
    """And goes on with the log only when nothing waits."""
    outbox = filled(3)
    outbox.passed(Cursor("later"))
    assert outbox.done is None
    assert take(outbox, 2) == Cursor("c1")
    assert take(outbox, 1) == Cursor("c2")
    outbox.passed(Cursor("later"))
    assert outbox.done == Cursor("later")


def test_a_line_with_several_events_is_taken_whole() -> None:
    """Else a restart would skip the others."""
    outbox = filled(1)
    outbox.add(b"{}", Cursor("c1"), NOW_S)
    outbox.add(b"{}", Cursor("c1"), NOW_S)
    assert take(outbox, 2) == Cursor("c0")
    assert take(outbox, 1) == Cursor("c1")
