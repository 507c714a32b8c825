"""Tickets for the websocket."""

from appliance.core.ids import SubAccountId
from appliance.edge.keys import Viewer
from appliance.edge.tickets import GOOD_SECONDS, MOST, Tickets

OURS, THEIRS = Viewer(SubAccountId(1)), Viewer(SubAccountId(2))


class Office:
    """Tickets, and a clock for them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tickets = Tickets(lambda: self.now)

    def issue(self, owner: Viewer = OURS) -> str:
        """A ticket, which there is."""
        text = self.tickets.issue(owner, lambda: owner)
        assert text is not None
        return text

    def viewer(self, text: str) -> Viewer | None:
        """Whom it lets in."""
        asker = self.tickets.take(text)
        return None if asker is None else asker()


def test_a_ticket_is_good_once() -> None:
    """ATTACKS 20: one that was seen in a log opens nothing."""
    office = Office()
    text = office.issue()
    assert office.viewer(text) == OURS
    assert office.viewer(text) is None


def test_a_ticket_is_good_for_a_minute() -> None:
    """Until then, and not at that moment."""
    office = Office()
    first, second = office.issue(), office.issue()
    office.now = GOOD_SECONDS - 0.001
    assert office.viewer(first) == OURS
    office.now = GOOD_SECONDS
    assert office.viewer(second) is None
    assert len(office.tickets) == 0


def test_each_ticket_is_its_own_and_lets_in_who_bought_it() -> None:
    """ATTACKS 12: nobody gets in as another."""
    office = Office()
    texts = {office.issue(one): one for one in (OURS, THEIRS) for _ in range(20)}
    assert len(texts) == 40
    assert all(office.viewer(text) == owner for text, owner in texts.items())


def test_nobody_hoards_tickets() -> None:
    """Who has too many gets no more until some are used or over; others get theirs."""
    office = Office()
    texts = [office.issue() for _ in range(MOST)]
    assert office.tickets.issue(OURS, lambda: OURS) is None
    assert office.issue(THEIRS)
    office.tickets.take(texts[0])
    assert office.issue()
    office.now = GOOD_SECONDS
    assert office.issue()
    assert len(office.tickets) == 1


def test_what_is_no_ticket_lets_nobody_in() -> None:
    """Whatever it is."""
    office = Office()
    office.issue()
    assert all(office.viewer(text) is None for text in ("", "x", "\udcff", "é" * 9000))
