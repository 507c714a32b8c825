import json
from pathlib import Path
from typing import Any

import pytest

from appliance.core.address import Address, Mailbox
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import (
    Attachment,
    Content,
    Dimensions,
    Recipient,
    Submission,
    Tracking,
)
from appliance.dialects.limits import Limits
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.request import SendRequest, parse_send, submissions

GOLDEN = Path(__file__).parent / "golden"


def parse(**changes: Any) -> SendRequest | Problem:
    """A sound request with ``changes``; None is sent as null."""
    body: dict[str, Any] = {
        "from": {"email": "ann@example.com"},
        "to": [{"email": "bob@example.org"}],
        "subject": "Hi",
        "textBody": "Hello",
    }
    if "sender" in changes:
        changes["from"] = changes.pop("sender")
    return parse_send(json.dumps(body | changes).encode())


def accepted(**changes: Any) -> SendRequest:
    """The request, which must be understood."""
    request = parse(**changes)
    assert isinstance(request, SendRequest)
    return request


def content(**changes: Any) -> Content:
    """What the request wants written."""
    made = accepted(**changes).content
    assert isinstance(made, Content)
    return made


def refused(**changes: Any) -> str:
    """The path at which the request is found invalid."""
    problem = parse(**changes)
    assert isinstance(problem, Problem)
    assert problem.fault is Fault.INVALID
    return problem.param


def test_the_documented_request_is_understood() -> None:
    """The documentation's curl body gives one submission through the named pool."""
    request = parse_send((GOLDEN / "request-curl.json").read_bytes())
    assert isinstance(request, SendRequest)
    assert submissions(request) == (
        Submission(
            content=Content(
                sender=Mailbox(Address("sender", "yourdomain.com"), "Your Company"),
                subject="Hello from SendPost",
                html="<html><body><h1>Hello!</h1></body></html>",
            ),
            to=(
                Recipient(
                    Mailbox(Address("recipient", "example.com"), "Recipient Name")
                ),
            ),
            pool="custom-smtp-pool",
        ),
    )


def test_every_field_finds_its_place() -> None:
    """All that is documented is read, other providers' fields are passed over."""
    request = parse_send((GOLDEN / "request-everything.json").read_bytes())
    assert isinstance(request, SendRequest)
    bob, nobody, erin = submissions(request)
    assert isinstance(bob, Submission)
    fields = {"name": "Bob", "price": "19.90", "vip": "true", "note": ""}
    carol = Mailbox(Address("carol", "example.org"), "Carol")
    dave = Mailbox(Address("dave", "example.org"))
    assert bob == Submission(
        content=Content(
            sender=Mailbox(Address("news", "example.com"), "Nëws"),
            subject="Hi {{name}}",
            text="Hi {{name}}",
            html="<p>Hi {{name}}</p>",
            amp="<html amp4email></html>",
            preheader="In short",
            reply_to=Mailbox(Address("help", "example.com"), "Help"),
            headers=(("X-Campaign", "spring"),),
            attachments=(Attachment("hello.txt", b"hello"),),
        ),
        to=(Recipient(Mailbox(Address("bob", "example.org"), "Bob"), fields),),
        cc=(Recipient(carol, fields),),
        bcc=(Recipient(dave, fields | {"name": "Dave"}),),
        pool="gold",
        tracking=Tracking(opens=False, clicks=True),
        dimensions=Dimensions(groups=("a", "b")),
        webhook_url="https://hooks.example.com/x?y=z",
    )
    assert isinstance(nobody, Refusal)
    assert nobody.reason is Reason.RECIPIENT_INVALID
    assert isinstance(erin, Submission)
    assert erin.to[0].mailbox.address == Address("erin", "xn--bcher-kva.example")
    assert erin.content is bob.content
    assert [entry.text for entry in request.entries] == [
        "bob@example.org",
        "nobody at all",
        "erin@bücher.example",
    ]


def test_null_is_the_same_as_absent() -> None:
    """Clients that spell out what they leave out are understood."""
    optional = (
        "replyTo preText htmlBody ampBody template templateId ippool headers "
        "trackOpens trackClicks groups attachments webhookEndpoint"
    )
    request = accepted(**dict.fromkeys(optional.split()))
    assert request == accepted()
    assert request.tracking == Tracking(opens=True, clicks=True)


def test_a_senders_address_that_is_none_is_told_in_every_place() -> None:
    """It is error code 5 for each recipient, not an error of the request."""
    request = accepted(sender={"email": "nope"}, to=[{"email": "b@c.example"}] * 2)
    reasons = [one.reason for one in submissions(request) if isinstance(one, Refusal)]
    assert reasons == [Reason.SENDER_INVALID] * 2


@pytest.mark.parametrize("kind", ["cc", "bcc"])
def test_a_copys_address_that_is_none_refuses_its_entry(kind: str) -> None:
    """Nobody is left out in silence, and the other entries go out."""
    bad = {"email": "b@example.org", kind: [{"email": "c@d.example"}, {"email": "x"}]}
    first, second = submissions(accepted(to=[bad, {"email": "e@example.org"}]))
    assert isinstance(first, Refusal)
    assert (first.reason, first.field) == (
        Reason.RECIPIENT_INVALID,
        f"to[0].{kind}[1].email",
    )
    assert isinstance(second, Submission)


def test_an_empty_reply_to_is_none() -> None:
    """Answers show an absent one as empty strings, and clients echo them."""
    assert content(replyTo={"email": "", "name": ""}).reply_to is None


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"sender": None}, "from"),
        ({"sender": {}}, "from.email"),
        ({"sender": "ann@example.com"}, "from"),
        ({"sender": {"email": 1}}, "from.email"),
        ({"sender": {"email": "a@b.example", "name": "x" * 257}}, "from.name"),
        ({"to": None}, "to"),
        ({"to": []}, "to"),
        ({"to": {"email": "b@example.org"}}, "to"),
        ({"to": [{"email": "b@example.org"}] * 1001}, "to"),
        ({"to": [{"email": "b@c.example"}, {"email": None}]}, "to[1].email"),
        ({"to": [{"email": "b@c.example", "name": "x" * 257}]}, "to[0].name"),
        ({"to": [{"email": "b", "cc": [{"email": "c"}] * 51}]}, "to[0].cc"),
        ({"to": [{"email": "b", "bcc": [{"email": "c"}] * 51}]}, "to[0].bcc"),
        ({"to": [{"email": "b", "cc": ["c@d.example"]}]}, "to[0].cc[0]"),
        ({"to": [{"email": "b", "customFields": [1]}]}, "to[0].customFields"),
        (
            {"to": [{"email": "b", "customFields": dict.fromkeys(range(501))}]},
            "to[0].customFields",
        ),
        ({"replyTo": {"email": "nope"}}, "replyTo.email"),
        ({"replyTo": {}}, "replyTo.email"),
        ({"subject": "x" * 999}, "subject"),
        ({"subject": 7}, "subject"),
        ({"preText": "x" * 201}, "preText"),
        ({"htmlBody": ["<p>"]}, "htmlBody"),
        ({"headers": {"X-A": 1}}, "headers"),
        ({"headers": []}, "headers"),
        ({"trackOpens": "true"}, "trackOpens"),
        ({"trackClicks": 1}, "trackClicks"),
        ({"groups": "a"}, "groups"),
        ({"groups": ["a", 1]}, "groups[1]"),
        ({"groups": ["a"] * 101}, "groups"),
        ({"attachments": [{"content": "YQ=="}]}, "attachments[0].filename"),
        (
            {"attachments": [{"content": "YQ==", "filename": "x" * 256}]},
            "attachments[0].filename",
        ),
        (
            {"attachments": [{"content": "YQ==", "filename": ""}]},
            "attachments[0].filename",
        ),
        (
            {"attachments": [{"content": "YQ", "filename": "a"}]},
            "attachments[0].content",
        ),
        ({"attachments": [{"content": "", "filename": "a"}] * 501}, "attachments"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any], param: str) -> None:
    """The answer says where to look, in the documented form of a path."""
    assert refused(**changes) == param


HARMFUL = ["x\r\nBcc: eve@example.org", "x\n", "x\r", "x\0", "x\u2028y", "\x85"]


@pytest.mark.parametrize("text", HARMFUL)
def test_an_address_cannot_start_a_new_header(text: str) -> None:
    """ATTACKS 6, 9: in an address it makes the address invalid."""
    address = f"b@example.org{text}"
    (entry,) = submissions(accepted(to=[{"email": address}]))
    assert isinstance(entry, Refusal)
    (entry,) = submissions(accepted(sender={"email": address}))
    assert isinstance(entry, Refusal)
    assert refused(replyTo={"email": address}) == "replyTo.email"


def test_a_forged_trace_is_dropped() -> None:
    """ATTACKS 24: the vendor's own fields are stripped, the rest stays in order."""
    headers = {"X-B": "1", "x-sendpost-message-uuid": "2", "X-A": "3"}
    assert content(headers=headers).headers == (("X-B", "1"), ("X-A", "3"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("References", "\u2039\u00e9>"),
        ("List-Unsubscribe", "<https://\u00e9>"),
        ("Feedback-ID", "\u00e9"),
        ("X-Long", "z" * 1_200),
        ("X-Longer", "a b " * 2_501),
    ],
)
def test_a_header_that_cannot_be_written_is_refused(name: str, value: str) -> None:
    """422 at once: found by the relay, it would drop a mail that was taken."""
    assert refused(headers={name: value}) == f"headers.{name}"


def test_custom_fields_are_not_expanded_or_escaped() -> None:
    """ATTACKS 13: a value is handed on as it is; what it may do is for the template."""
    fields = {"a": "{{b}}", "b": "<b>\r\nX: y", "__proto__": "z"}
    (one,) = submissions(accepted(to=[{"email": "b@c.d", "customFields": fields}]))
    assert isinstance(one, Submission)
    assert one.to[0].fields == fields


def test_sizes_are_the_operators() -> None:
    """ATTACKS 10: what is over the limit is refused before it is read or decoded."""
    body = json.dumps(
        {
            "from": {"email": "a@b.example"},
            "to": [{"email": "c@d.example"}],
            "subject": "s",
            "textBody": "t",
            "attachments": [{"content": "YWJj", "filename": "a"}],
        }
    ).encode()
    fits = Limits(body_bytes=len(body), attachment_bytes=3)
    assert isinstance(parse_send(body, fits), SendRequest)
    heavy = parse_send(body, Limits(len(body), attachment_bytes=2))
    assert isinstance(heavy, Problem)
    assert heavy.param == "attachments"
    long = parse_send(body, Limits(len(body) - 1, attachment_bytes=3))
    assert isinstance(long, Problem)
    assert long.fault is Fault.INVALID
