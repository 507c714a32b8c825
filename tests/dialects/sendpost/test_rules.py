import json
from typing import Any

import pytest

from appliance.dialects.sendpost import wire
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.rules import check

HARMFUL = ["x\r\nBcc: eve@example.org", "x\n", "x\r", "x\0", "x\u2028y", "\x85"]


def read(**changes: Any) -> wire.Send:
    """A sound request with ``changes``, typed but not yet checked."""
    body: dict[str, Any] = {
        "from": {"email": "ann@example.com"},
        "to": [{"email": "bob@example.org"}],
        "subject": "Hi",
        "textBody": "Hello",
    }
    return wire.DECODER.decode(json.dumps(body | changes))


def keeps(**changes: Any) -> bool:
    """True if such a request keeps to every rule."""
    return check(read(**changes)) is None


def refused(**changes: Any) -> str:
    """The path at which the request breaks a rule."""
    problem = check(read(**changes))
    assert problem is not None
    assert problem.fault is Fault.INVALID
    return problem.param


def test_a_subject_without_any_body_text_is_no_mail() -> None:
    """At least a subject and one body; empty strings are none."""
    assert refused(subject=None) == "subject"
    assert refused(subject="") == "subject"
    assert refused(textBody=None) == "htmlBody"
    assert refused(textBody="", ampBody="<html amp4email>") == "htmlBody"
    assert keeps(textBody="", htmlBody="<p>")


@pytest.mark.parametrize("field", ["template", "templateId"])
def test_a_template_that_is_not_there_is_not_found(field: str) -> None:
    """Nothing is sent with other content than the one that was named."""
    problem = check(read(**{field: "welcome"}))
    assert problem == Problem(Fault.NOT_FOUND, "No template named 'welcome'", field)


@pytest.mark.parametrize("text", HARMFUL)
@pytest.mark.parametrize(
    "param",
    [
        "subject",
        "ippool",
        "from.name",
        "replyTo.name",
        "to[0].name",
        "to[0].cc[0].name",
        "to[0].bcc[0].name",
        "groups[0]",
        "attachments[0].filename",
        "headers.X-A",
    ],
)
def test_no_field_can_start_a_new_header(param: str, text: str) -> None:
    """ATTACKS 9: a second line in whatever becomes a header is refused by name."""
    one = {"email": "c@example.org", "name": text}
    changes: dict[str, Any] = {
        "subject": {"subject": text},
        "ippool": {"ippool": text},
        "from.name": {"from": one},
        "replyTo.name": {"replyTo": one},
        "to[0].name": {"to": [one]},
        "to[0].cc[0].name": {"to": [{"email": "b@c.example", "cc": [one]}]},
        "to[0].bcc[0].name": {"to": [{"email": "b@c.example", "bcc": [one]}]},
        "groups[0]": {"groups": [text]},
        "attachments[0].filename": {"attachments": [{"content": "", "filename": text}]},
        "headers.X-A": {"headers": {"X-A": text}},
    }
    assert refused(**changes[param]) == param


@pytest.mark.parametrize("name", ["", "X A", "X:", "X\r\nBcc", "Ü", "X" * 77])
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    """ATTACKS 9: names are as dangerous as values, and are not echoed."""
    assert refused(headers={name: "x"}) == "headers"


@pytest.mark.parametrize("name", ["From", "TO", "subject", "Content-Type", "Bcc"])
def test_an_override_is_refused_by_name(name: str) -> None:
    """ATTACKS 9: it is never dropped in silence either."""
    assert refused(headers={name: "x"}) == f"headers.{name}"


def test_extra_headers_are_bounded() -> None:
    """ATTACKS 9, 10: in number, in size, and each name once."""
    assert keeps(headers={f"X-{n}": "" for n in range(100)})
    assert refused(headers={f"X-{n}": "" for n in range(101)}) == "headers"
    assert refused(headers={"X-A": "x" * 65_536}) == "headers"
    assert refused(headers={"X-A": "1", "x-a": "2"}) == "headers"


def test_all_custom_fields_together_are_bounded() -> None:
    """ATTACKS 10: each is a string to make and to keep, so their number counts."""
    one = {"email": "b@c.example", "customFields": dict.fromkeys(range(500), "x")}
    assert keeps(to=[one] * 200)
    assert refused(to=[one] * 200 + [one | {"customFields": {"y": 1}}]) == "to"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "https://example.com",
        "HTTPS://user:pw@example.com:8443/a?b#c",
        "https://[2001:db8::1]/",
    ],
)
def test_a_webhook_is_a_web_url(url: str) -> None:
    """Where it may lead is decided at the time of the call."""
    assert keeps(webhookEndpoint=url)


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://example.com/a b",
        "https://example.com/\r\nX: y",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://[::1/",
        "https://bücher.example/",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_what_is_no_web_url_is_refused(url: str) -> None:
    """ATTACKS 21: other schemes and second lines do not get as far as a client."""
    assert refused(webhookEndpoint=url) == "webhookEndpoint"
