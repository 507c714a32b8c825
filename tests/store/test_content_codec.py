import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address, Mailbox
from appliance.core.submission import AnyContent, Attachment, Content, RawContent
from appliance.store.content_codec import decode_content, encode_content
from tests.fakes.store import CONTENT

mailboxes = st.builds(Mailbox, st.builds(Address, st.text(), st.text()), st.text())
contents = st.builds(
    Content,
    sender=mailboxes,
    subject=st.text(),
    text=st.none() | st.text(),
    html=st.none() | st.text(),
    amp=st.none() | st.text(),
    preheader=st.text(),
    reply_to=st.none() | mailboxes,
    headers=st.lists(st.tuples(st.text(), st.text())).map(tuple),
    attachments=st.lists(st.builds(Attachment, st.text(), st.binary())).map(tuple),
)


raw_contents = st.builds(
    RawContent,
    sender=mailboxes,
    subject=st.text(),
    message_id=st.text(),
    data=st.binary(),
)


@given(contents | raw_contents)
def test_content_comes_back_as_it_was(content: AnyContent) -> None:
    """Whatever a sender wrote is what the relay reads."""
    assert decode_content(bytes(encode_content(content))) == content


def test_attachments_are_stored_as_they_are() -> None:
    """No base64 on disk: a third less to write and to sync."""
    attachment = Attachment("a.bin", bytes(range(256)))
    content = Content(CONTENT.sender, "", attachments=(attachment,))
    assert bytes(range(256)) in bytes(encode_content(content))


def test_an_unknown_form_is_refused() -> None:
    """A row of a later program is not guessed at."""
    with pytest.raises(ValueError, match="unknown form 03"):
        decode_content(b"\x03" + bytes(encode_content(CONTENT))[1:])
