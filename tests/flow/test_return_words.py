"""What a mail that came back says of a copy."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address
from appliance.core.event import EventType
from appliance.core.ids import SubAccountId, uuid7
from appliance.core.verp import return_path
from appliance.flow.return_words import (
    Clue,
    clues_of,
    complaint_of,
    is_complaint,
    kind_of,
    report_of,
)
from appliance.mime.returned import Action, Complaint, Failed
from appliance.store.returns import Gone

OWNER = SubAccountId(7)
GONE = Gone(uuid7(), OWNER, Address("Bob", "rcpt.example"))
BOB = "bob@rcpt.example"
FAR = "bob@far.example"
FAILED, DELAYED = Action.FAILED, Action.DELAYED
HARD, SOFT = EventType.HARD_BOUNCED, EventType.SOFT_BOUNCED


def test_a_failure_is_judged_by_the_rules_and_keeps_its_words() -> None:
    """Hard or soft with reason and rule, and where it was learnt."""
    told = Failed(BOB, FAILED, "", "5.1.1", 550, "550 5.1.1 who?", "mx.far", 17)
    report = report_of(GONE, [told])
    assert report is not None
    assert (report.type, report.delivery) == (HARD, GONE.delivery)
    assert (report.recipient, report.at_ns) == ("", 17_000_000_000)
    data = dict(report.data)
    assert data.pop("rule")
    assert data == {
        "code": 550,
        "enhanced": "5.1.1",
        "text": "550 5.1.1 who?",
        "mta": "mx.far",
        "reason": "user_unknown",
        "via": "dsn",
    }


@pytest.mark.parametrize(
    ("told", "type_"),
    [
        (Failed("", FAILED, status="5.1.1"), HARD),
        (Failed(BOB, FAILED, status="5.2.2"), SOFT),
        (Failed(BOB, FAILED, status="4.4.7"), SOFT),
        (Failed(BOB, FAILED), SOFT),
        (Failed(BOB, FAILED, diagnostic="smtp; 550 5.7.1 blocked by policy"), SOFT),
        (Failed(BOB, DELAYED, status="4.4.1"), EventType.DEFERRED),
        (Failed(BOB, Action.DELIVERED, status="2.0.0"), EventType.DELIVERED),
        (Failed(BOB, Action.RELAYED), None),
        (Failed(BOB, Action.EXPANDED), None),
    ],
)
def test_what_each_action_means(told: Failed, type_: EventType | None) -> None:
    """What is only late bounces nobody, and what was relayed has not arrived."""
    report = report_of(GONE, [told])
    assert (None if report is None else report.type) == type_
    assert report is None or kind_of(report)


@pytest.mark.parametrize(
    ("told", "recipient", "type_"),
    [
        ([Failed(FAR, FAILED, status="5.1.1")], FAR, HARD),
        ([Failed(FAR, FAILED, BOB, "5.1.1")], "", HARD),
        ([Failed("x@y.example", FAILED), Failed("BOB@rcpt.example", DELAYED)], "", 61),
        ([Failed("x@y.example", DELAYED), Failed(FAR, FAILED)], FAR, SOFT),
        # A list behind the address: one of its members is gone, and it is not.
        ([Failed(FAR, FAILED, BOB, "5.1.1"), Failed("b@c.d", DELAYED, BOB)], FAR, HARD),
        ([Failed("no address", FAILED)], "no address", SOFT),
    ],
)
def test_somebody_else_s_end_is_not_the_recipient_s(
    told: list[Failed], recipient: str, type_: int
) -> None:
    """ATTACKS 24: only a report of the copy's own recipient is about him."""
    report = report_of(GONE, told)
    assert report is not None
    assert (report.recipient, report.type) == (recipient, type_)


def test_a_complaint_is_found_by_what_it_quotes() -> None:
    """The copy's own marks before the message's, and what is none is no clue."""
    path, trace, message = uuid7(), uuid7(), uuid7()
    full = Complaint(
        "abuse",
        str(return_path(path, OWNER, "bounce.shop.example")).upper(),
        "",
        f"{message}@shop.example",
        trace,
    )
    assert list(clues_of(full)) == [Clue(path), Clue(trace), Clue(message, True)]
    assert not list(clues_of(Complaint("abuse", "a@b.example", "", "x@y")))
    assert not list(clues_of(Complaint("abuse", "", "", str(message)[:-1])))


def test_feedback_that_blames_nobody_is_no_complaint() -> None:
    """RFC 5965 7.3, RFC 6591: "not-spam" and failed authentication."""
    kinds = ("abuse", "fraud", "opt-out", "", "not-spam", "auth-failure")
    assert [is_complaint(Complaint(one)) for one in kinds] == [True] * 4 + [False] * 2
    report = complaint_of(GONE, Complaint("abuse", arrived_s=9))
    assert (report.type, report.delivery) == (EventType.COMPLAINED, GONE.delivery)
    assert report.data == {"feedbackType": "abuse", "via": "complaint"}


TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from([BOB, FAR, "5.1.1"])


@given(
    st.lists(
        st.builds(
            Failed,
            TEXTS,
            st.sampled_from(Action),
            TEXTS,
            TEXTS,
            st.integers(0, 599),
            TEXTS,
            TEXTS,
            st.integers(0, 2**40),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_told_can_be_recorded(told: list[Failed]) -> None:
    """ATTACKS 24: hostile texts are cut, made printable, and never suppress wrongly."""
    report = report_of(GONE, told)
    if report is None:
        return
    assert msgspec.json.encode({**report.data, "recipient": report.recipient})
    assert all(str(one).isprintable() for one in report.data.values())
    if report.type is HARD and not report.recipient:
        names = [(one.address.lower(), one.original.lower()) for one in told]
        assert any(one == "" or BOB in (one, other) for one, other in names)
