from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox
from appliance.core.submission import Dimensions, Recipient, Submission, Tracking
from appliance.store.detail_codec import (
    Detail,
    decode_detail,
    decode_fields,
    encode_detail,
    encode_fields,
)
from tests.fakes.store import CONTENT

recipients = st.builds(
    Recipient, st.builds(Mailbox, st.builds(Address, st.text(), st.text()), st.text())
)
words = st.lists(st.text()).map(tuple)
submissions = st.builds(
    Submission,
    content=st.just(CONTENT),
    to=recipients,
    cc=st.lists(recipients).map(tuple),
    tracking=st.builds(Tracking, st.booleans(), st.booleans()),
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
    assert decode_detail(encode_detail(submission)) == Detail(
        submission.to.mailbox,
        tuple(one.mailbox for one in submission.cc),
        submission.tracking,
        submission.dimensions,
    )


@given(st.dictionaries(st.text(), st.text()))
def test_placeholder_values_come_back(fields: dict[str, str]) -> None:
    """No values take no room, and any others come back."""
    data = encode_fields(fields)
    assert (data is None) == (not fields)
    assert decode_fields(data) == fields
