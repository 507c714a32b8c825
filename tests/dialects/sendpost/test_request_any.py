import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.core.fields import is_reserved_field
from appliance.core.submission import Content, Submission
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.request import SendRequest, parse_send, submissions
from appliance.dialects.text import has_control

GOLDEN = Path(__file__).parent / "golden"

# The characters that matter, far more often than by chance; mostly harmless, so
# that many requests are accepted.
CLEAN = st.text(st.sampled_from("ab@.:<>ü{} "), max_size=12)
DIRTY = st.text(st.sampled_from("ab\r\n\0\t\u2028\x85"), max_size=12)
TEXT = st.one_of(*[CLEAN] * 12, DIRTY)
ADDRESS = st.one_of(*[st.just("a@b.example")] * 6, TEXT)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
ANYTHING = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


def record(required: str, **kinds: st.SearchStrategy[Any]) -> Any:
    """Objects with these fields, the required ones always there."""
    needed = {name: kinds.pop(name) for name in required.split()}
    return st.fixed_dictionaries(needed, optional=kinds)


PERSON = record("email", email=ADDRESS, name=TEXT)
FIELDS = st.dictionaries(TEXT, ANYTHING, max_size=3)
COPIES = st.lists(
    record("email", email=ADDRESS, name=TEXT, customFields=FIELDS), max_size=2
)
RECIPIENT = record(
    "email", email=ADDRESS, name=TEXT, customFields=FIELDS, cc=COPIES, bcc=COPIES
)
NAME = st.sampled_from(["X-A", "X-B", "List-Id", "X-Sendpost-A"])
FILE = record("content filename", content=st.just("YQ=="), filename=st.just("a") | TEXT)
REQUEST = record(
    "from to subject textBody",
    **{
        "from": PERSON,
        "to": st.lists(RECIPIENT, min_size=1, max_size=3),
        "subject": st.just("Hi") | TEXT,
        "textBody": st.text(min_size=1),
        "replyTo": PERSON,
        "headers": st.dictionaries(NAME, TEXT),
        "groups": st.lists(TEXT, max_size=3),
        "ippool": TEXT,
        "attachments": st.lists(FILE, max_size=2),
        "webhookEndpoint": st.just("https://x.example") | TEXT,
    },
)


def header_texts(request: SendRequest) -> list[str]:
    """Every string of the result that will stand in some header."""
    texts = [request.pool, *request.dimensions.groups, request.webhook_url]
    for one in submissions(request):
        if isinstance(one, Submission):
            made = one.content
            assert isinstance(made, Content)
            people = [made.sender, made.reply_to]
            people += [to.mailbox for to in (*one.to, *one.cc, *one.bcc)]
            texts += [f"{who.name}{who.address}" for who in people if who is not None]
            texts += [made.subject, *(file.filename for file in made.attachments)]
            texts += [text for header in made.headers for text in header]
    return texts


@given(REQUEST)
def test_what_is_accepted_is_clean(value: Any) -> None:
    """ATTACKS 9: no string that stands in a header has a control character."""
    request = parse_send(json.dumps(value).encode())
    if isinstance(request, SendRequest):
        assert not any(map(has_control, header_texts(request)))
    if isinstance(request, SendRequest) and isinstance(request.content, Content):
        assert not any(is_reserved_field(name) for name, _ in request.content.headers)


@given(REQUEST, st.data())
def test_a_wrong_type_anywhere_is_survived(value: Any, data: st.DataObject) -> None:
    """ATTACKS 10: any JSON in any place is read or refused, never an exception."""
    place = value
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        if not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(ANYTHING)
            break
        place = place[key]
    parsed = parse_send(json.dumps(value).encode())
    assert isinstance(parsed, SendRequest | Problem)


@given(ANYTHING)
def test_any_json_is_answered(value: Any) -> None:
    """ATTACKS 10: JSON that is no request at all is a problem with words."""
    problem = parse_send(json.dumps(value).encode())
    assert isinstance(problem, Problem)
    assert problem.message


@given(st.one_of(st.binary(), st.binary().map(lambda tail: b'{"from":' + tail)))
def test_any_bytes_are_refused(body: bytes) -> None:
    """ATTACKS 10: bytes that are no request are a problem, never an exception."""
    assert isinstance(parse_send(body), Problem)


@given(st.data())
def test_any_damage_to_a_sound_request_is_survived(data: st.DataObject) -> None:
    """ATTACKS 10: one byte changed anywhere is read, or refused, but never raises."""
    body = bytearray((GOLDEN / "request-everything.json").read_bytes())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    assert isinstance(parse_send(bytes(body)), SendRequest | Problem)
