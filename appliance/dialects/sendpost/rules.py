"""What a well-typed send request must also keep to, as a list of named checks.

Decides which requests are refused as a whole. Addresses of the sender and of
recipients are not judged here: they are answered one by one (spec 5.5).
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from appliance.core.fields import header_flaw, is_field_name, is_reserved_field
from appliance.dialects.sendpost import wire
from appliance.dialects.sendpost.errors import Fault, Problem, invalid
from appliance.dialects.text import has_control

MAX_HEADERS = 100
MAX_HEADER_CHARS = 65_536
MAX_ALL_FIELDS = 100_000  # of all recipients; each is a string to make and to keep
MAX_URL_CHARS = 2_048

_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)


def check(send: wire.Send) -> Problem | None:
    """The first rule that ``send`` breaks, None if it keeps to all of them."""
    for rule in _RULES:
        problem = rule(send)
        if problem is not None:
            return problem
    return None


def check_count(send: wire.Send, most: int) -> Problem | None:
    """A request for more than ``most`` mails is refused as a whole."""
    count = sum(1 for _ in _recipients(send))
    if count > most:
        return invalid("to", f"{count} recipients in all, at most {most} are taken")
    return None


def _template_exists(send: wire.Send) -> Problem | None:
    """Nothing is sent with content other than the one that was named."""
    for param, name in (("templateId", send.template_id), ("template", send.template)):
        if name:
            shown = name[:100]
            return Problem(Fault.NOT_FOUND, f"No template named {shown!r}", param)
    return None


def _has_content(send: wire.Send) -> Problem | None:
    if not send.subject:
        return invalid("subject", "subject is required")
    if not send.html_body and not send.text_body:
        return invalid("htmlBody", "htmlBody or textBody is required")
    return None


def _texts_are_clean(send: wire.Send) -> Problem | None:
    """No string that becomes a header can start a new one (ATTACKS 9)."""
    for param, text in _header_texts(send):
        if has_control(text):
            return invalid(param, f"{param} has a line break or control character")
    return None


def _header_texts(send: wire.Send) -> Iterator[tuple[str, str]]:
    """Every such string but the extra headers and the addresses, with its path."""
    yield "subject", send.subject or ""
    yield "ippool", send.ippool or ""
    yield "from.name", send.sender.name or ""
    if send.reply_to is not None:
        yield "replyTo.name", send.reply_to.name or ""
    for index, group in enumerate(send.groups or ()):
        yield f"groups[{index}]", group
    for index, file in enumerate(send.attachments or ()):
        yield f"attachments[{index}].filename", file.filename
    for path, person in _recipients(send):
        yield f"{path}.name", person.name or ""


def _recipients(send: wire.Send) -> Iterator[tuple[str, wire.CopyTo]]:
    """Everyone who gets a message or a copy, with the path."""
    for index, to in enumerate(send.to):
        yield f"to[{index}]", to
        for number, copy in enumerate(to.cc or ()):
            yield f"to[{index}].cc[{number}]", copy
        for number, copy in enumerate(to.bcc or ()):
            yield f"to[{index}].bcc[{number}]", copy


def _fields_are_few(send: wire.Send) -> Problem | None:
    people = (person for _, person in _recipients(send))
    count = sum(len(person.custom_fields or ()) for person in people)
    if count > MAX_ALL_FIELDS:
        return invalid("to", f"There are more than {MAX_ALL_FIELDS} custom fields")
    return None


def _headers_are_allowed(send: wire.Send) -> Problem | None:
    headers = send.headers or {}
    if len(headers) > MAX_HEADERS:
        return invalid("headers", f"There are more than {MAX_HEADERS} headers")
    if sum(map(len, headers)) + sum(map(len, headers.values())) > MAX_HEADER_CHARS:
        return invalid("headers", f"The headers are over {MAX_HEADER_CHARS} characters")
    if len({name.lower() for name in headers}) < len(headers):
        return invalid("headers", "A header is there twice in different spellings")
    for name, value in headers.items():
        problem = _check_header(name, value)
        if problem is not None:
            return problem
    return None


def _check_header(name: str, value: str) -> Problem | None:
    if not is_field_name(name):
        return invalid("headers", "A header has a name that no header can have")
    param = f"headers.{name}"
    if is_reserved_field(name):
        # Dropping it would change the mail behind the sender's back.
        return invalid(param, f"The header {name} cannot be set through headers")
    if has_control(value):
        return invalid(param, f"{param} has a line break or control character")
    flaw = header_flaw(name, value)
    if flaw:  # told now, and not by a drop later
        return invalid(param, f"{param} cannot be written: {flaw}")
    return None


def _webhook_is_a_url(send: wire.Send) -> Problem | None:
    if not send.webhook_endpoint or _is_web_url(send.webhook_endpoint):
        return None
    return invalid("webhookEndpoint", "webhookEndpoint is not an http or https URL")


def _is_web_url(text: str) -> bool:
    """True for the syntax alone; where it may lead is decided when it is called."""
    if len(text) > MAX_URL_CHARS or _URL.fullmatch(text) is None:
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, a broken address literal
        return False


_RULES: tuple[Callable[[wire.Send], Problem | None], ...] = (
    _template_exists,
    _has_content,
    _texts_are_clean,
    _fields_are_few,
    _headers_are_allowed,
    _webhook_is_a_url,
)
