"""From lines to events: whose mail it is, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.agent.correlate import Correlator, Event
from appliance.agent.maillog import By, parse_line
from appliance.agent.queue_ids import HALF_LIFE_S, QueueIds
from tests.fakes.maillog import Mail, queue_id_of, uuid_of

NOW_S = 1_000_000.0
MAIL = Mail()


def feed(*texts: bytes, correlator: Correlator | None = None) -> list[Event]:
    """The events that these lines bring."""
    it = correlator or Correlator()
    lines = b"".join(texts).splitlines()
    parsed = [one for one in map(parse_line, lines) if one is not None]
    return [event for one in parsed for event in it.take(one, NOW_S)]


def kinds(*texts: bytes) -> list[tuple[int, str]]:
    """Number of the mail and kind of each event."""
    return [(event.uuid.int & 0xFFFF, event.kind) for event in feed(*texts)]


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (MAIL.tried(), "delivered"),
        (MAIL.bounced(), "bounced"),
        (MAIL.deferred(), "deferred"),
        (MAIL.tried("bounced", "mail loops", "4.4.6"), "soft_bounced"),
        (MAIL.tried("expired", "too old", "4.4.7"), "soft_bounced"),
        (MAIL.tried("SOFTBOUNCE", "no", "5.1.1"), "deferred"),
        (MAIL.expired(), "soft_bounced"),
    ],
)
def test_each_status_has_its_event(end: bytes, kind: str) -> None:
    """The mapping of spec 11.4."""
    assert kinds(MAIL.whole(end)) == [(1, kind)]


@pytest.mark.parametrize("status", ["deliverable", "undeliverable", "odd"])
def test_probes_are_no_deliveries(status: str) -> None:
    """Address verification sends no mail."""
    assert kinds(MAIL.whole(MAIL.tried(status))) == []


def test_given_up_for_its_age_is_said() -> None:
    """So that the server need not guess."""
    (event,) = feed(MAIL.whole(MAIL.expired()))
    assert (event.expired, event.recipient) == (True, "")
    (event,) = feed(MAIL.whole(MAIL.bounced()))
    assert not event.expired


@pytest.mark.parametrize(
    "lines",
    [
        MAIL.header() + MAIL.message_id(),
        MAIL.message_id(f"<{MAIL.uuid}@example.com>"),
        MAIL.message_id() + MAIL.queued(),
    ],
)
def test_each_of_three_ways_finds_the_delivery(lines: bytes) -> None:
    """The header, the Message-ID, the return path."""
    assert kinds(lines + MAIL.bounced()) == [(1, "bounced")]


def test_the_header_is_believed_before_the_message_id() -> None:
    """A copy's Message-ID names the message, which is another's delivery."""
    other = MAIL.message_id(f"<{uuid_of(2)}@example.com>")
    assert kinds(MAIL.header() + other + MAIL.tried()) == [(1, "delivered")]
    assert kinds(other + MAIL.header() + MAIL.tried()) == [(1, "delivered")]


def test_an_attached_mail_is_not_the_mail() -> None:
    """Its header is logged too, unless nested_header_checks is emptied."""
    report = Mail(number=1, sender="")
    lines = report.header() + report.message_id() + report.queued() + report.tried()
    assert kinds(lines) == []
    other = Mail(number=2, queue_id=MAIL.id)
    lines = MAIL.header() + other.queued() + MAIL.tried()
    assert kinds(lines) == [(2, "delivered")]


def test_a_freed_queue_id_is_another_mails() -> None:
    """Short ones come again soon; also where the line that freed it was lost."""
    again = Mail(number=2, queue_id=MAIL.id)
    assert kinds(MAIL.whole(), again.whole()) == [(1, "delivered"), (2, "delivered")]
    lost = MAIL.whole().removesuffix(MAIL.removed())
    assert kinds(lost, again.whole()) == [(1, "delivered"), (2, "delivered")]
    foreign = Mail(sender="x@example.net")
    assert kinds(lost, foreign.message_id() + foreign.queued(), MAIL.tried()) == [
        (1, "delivered")
    ]


INNER = Mail(sender="", queue_id=queue_id_of(99))
TO_FILTER = MAIL.tried(
    said=f"250 2.0.0 Ok: queued as {INNER.id}", relay="127.0.0.1[127.0.0.1]:10024"
)
STRIPPED = Mail(sender="x@example.net", queue_id=INNER.id)


def test_a_requeue_is_followed() -> None:
    """The hop to the filter is no delivery; what comes behind it is."""
    into = MAIL.header() + MAIL.message_id() + MAIL.queued()
    inside = STRIPPED.message_id() + STRIPPED.queued()
    assert kinds(into, inside, TO_FILTER, MAIL.removed(), STRIPPED.bounced()) == [
        (1, "bounced")
    ]


def test_a_requeue_may_end_before_its_beginning_is_logged() -> None:
    """The filter answers when the mail behind it is already on its way."""
    into = MAIL.header() + MAIL.message_id()
    inside = STRIPPED.message_id() + STRIPPED.queued() + STRIPPED.bounced()
    assert kinds(into, inside, TO_FILTER) == [(1, "bounced")]


def test_an_unknown_queue_id_is_said_once() -> None:
    """Its first lines are in a log that nobody read."""
    correlator = Correlator()
    assert feed(MAIL.deferred(), MAIL.deferred(), correlator=correlator) == []
    assert correlator.unknown == [MAIL.id.encode()]
    assert correlator.counts.unknown_queue_ids == 1


def test_other_peoples_mail_is_not_unknown() -> None:
    """A server may send more than ours."""
    correlator = Correlator()
    foreign = Mail(sender="x@example.net")
    feed(
        foreign.message_id() + foreign.queued() + foreign.tried(), correlator=correlator
    )
    assert correlator.unknown == []
    assert correlator.counts.other_mail == 1


def test_memory_is_bounded() -> None:
    """Queue ids that are never freed make room for others."""
    ids = QueueIds(most=10)
    for number in range(100):
        ids.put(queue_id_of(number).encode(), By.HEADER, uuid_of(number).bytes, NOW_S)
    assert len(ids) <= 20
    assert ids.find(queue_id_of(99).encode()) == (By.HEADER, uuid_of(99).bytes)
    correlator = Correlator()
    for number in range(2000):
        foreign = Mail(number=number, sender="x@example.net")
        feed(foreign.message_id() + foreign.tried(), correlator=correlator)
    assert len(correlator._strays) <= 500


def test_what_is_of_use_is_kept() -> None:
    """The least recently used go first, and five days later the rest."""
    ids, first = QueueIds(most=10), queue_id_of(0).encode()
    for number in range(35):
        ids.put(queue_id_of(number).encode(), By.HEADER, uuid_of(number).bytes, NOW_S)
        assert ids.find(first) == (By.HEADER, uuid_of(0).bytes)
    for days in (1, 2):
        later_s = NOW_S + days * (HALF_LIFE_S + 1)
        ids.put(queue_id_of(50 + days).encode(), By.NOTHING, b"", later_s)
    assert first not in ids


def test_what_was_forgotten_comes_back() -> None:
    """The queue manager says the return path before each try."""
    assert kinds(MAIL.deferred(), MAIL.queued(), MAIL.tried()) == [(1, "delivered")]


def test_the_map_survives_as_words() -> None:
    """What is broken in them is left out."""
    ids = QueueIds()
    ids.put(b"4F1A2B3C4D", By.HEADER, uuid_of(1).bytes, NOW_S)
    ids.put(b"4F1A2B3C4E", By.NOTHING, b"", NOW_S)
    fresh = QueueIds()
    fresh.load({**ids.dump(), "A": "zz", "B": "", "C": "09", "D": "0400", "\xe4": "00"})
    assert fresh.dump() == ids.dump()


STEPS = [
    lambda mail: mail.header(),
    lambda mail: mail.message_id(),
    lambda mail: mail.queued(),
    lambda mail: mail.deferred(),
    lambda mail: mail.tried(),
    lambda mail: mail.removed(),
]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_no_event_is_ever_anothers(steps: list[tuple[int, int]]) -> None:
    """In whatever order lines of several mails come: a queue id's own delivery."""
    mails = [Mail(number=number) for number in range(4)]
    for event in feed(*(STEPS[step](mails[number]) for step, number in steps)):
        assert event.queue_id == queue_id_of(event.uuid.int & 0xFFFF)
