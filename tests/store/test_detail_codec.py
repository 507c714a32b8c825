from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox
from appliance.core.submission import (
    Dimensions,
    RawContent,
    Recipient,
    Submission,
    Tracking,
)
from appliance.store.detail_codec import (
    Detail,
    decode_detail,
    decode_fields,
    encode_detail,
    encode_fields,
)
from tests.fakes.store import CONTENT, SENDER

OWN = replace(
    CONTENT,
    reply_to=Mailbox(Address("help", "x.example"), "Help"),
    headers=(("X-Order", "4711"),),
)
recipients = st.builds(
    Recipient, st.builds(Mailbox, st.builds(Address, st.text(), st.text()), st.text())
)
few = st.text(max_size=9)
words = st.lists(st.text()).map(tuple)
submissions = st.builds(
    Submission,
    content=st.sampled_from([OWN, RawContent(SENDER, "Hi", "1@x", b"raw")]),
    to=st.lists(recipients, min_size=1).map(tuple),
    cc=st.lists(recipients).map(tuple),
    tracking=st.builds(Tracking, st.booleans(), st.booleans(), st.booleans()),
    own_headers=st.lists(
        st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=9
    ).map(tuple),
    envelope_sender=st.none() | st.builds(Address, st.text(), st.text()),
    dimensions=st.builds(
        Dimensions,
        groups=words,
        tags=words,
        topic=st.text(),
        campaign=st.text(),
        metadata=st.dictionaries(st.text(), st.text()),
    ),
)


@given(submissions)
def test_the_detail_of_a_submission_comes_back(submission: Submission) -> None:
    """Header recipients, tracking and dimensions survive the disk."""
    is_raw = isinstance(submission.content, RawContent)
    assert decode_detail(encode_detail(submission)) == Detail(
        () if is_raw else tuple(one.mailbox for one in submission.to),
        () if is_raw else tuple(one.mailbox for one in submission.cc),
        submission.tracking,
        submission.dimensions,
        str(submission.envelope_sender or ""),
        submission.content.sender.name,
        getattr(submission.content, "reply_to", None),
        submission.own_headers if is_raw else OWN.headers,
        getattr(submission.content, "message_id", ""),
    )


def test_of_endless_headers_the_first_few_are_told() -> None:
    """A row stays small, whatever a sender makes up."""
    some = tuple((f"X-{number}", "x" * 100) for number in range(1000))
    whole = Submission(OWN, (), own_headers=some)
    raw = Submission(RawContent(SENDER, "Hi", "1@x", b"raw"), (), own_headers=some)
    assert decode_detail(encode_detail(whole)).headers == OWN.headers
    told = decode_detail(encode_detail(raw)).headers
    assert told == some[: len(told)]
    assert 0 < len(told) < 50


@given(st.dictionaries(st.text(), st.text()))
def test_placeholder_values_come_back(fields: dict[str, str]) -> None:
    """No values take no room, and any others come back."""
    data = encode_fields(fields)
    assert (data is None) == (not fields)
    assert decode_fields(data) == fields


def test_what_was_written_before_there_was_more_is_still_read() -> None:
    """Rows of the first version: one header recipient, and an unsubscribe link."""
    box = ("Bob", "bob", "rcpt.example")
    old = msgspec.msgpack.encode((box, (), True, False, (), (), "", "", {}))
    detail = decode_detail(old)
    assert detail.to == (Mailbox(Address("bob", "rcpt.example"), "Bob"),)
    assert detail.tracking == Tracking(opens=True, clicks=False, unsubscribes=True)
    assert detail.envelope_sender == ""
