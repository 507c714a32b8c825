"""Command lines of a client, taken apart.

Decides what is well said: each function returns what was said or the words in
which it is refused. Whether it may be said now is decided in `server_moves`,
whether an address makes sense in `core/`.

Stricter than others are: a path stands between < and >, and a source route
(obsolete since RFC 5321 C) is refused rather than cut off, since nobody who
still writes one wants it ignored. A blank behind the colon is let pass.
"""

import re
from typing import Final, NamedTuple

from appliance.smtp.client import Mechanism
from appliance.smtp.grammar import is_path
from appliance.smtp.reply import Reply
from appliance.smtp.server_events import MailGiven, RcptGiven
from appliance.smtp.server_moves import Verb
from appliance.smtp.server_words import (
    AUTH_SYNTAX,
    BAD_PARAMETER,
    BAD_RECIPIENT,
    BAD_SENDER,
    BDAT_SYNTAX,
    HELLO_SYNTAX,
    MAIL_SYNTAX,
    NEEDS_UTF8,
    NOT_TEXT,
    RCPT_SYNTAX,
    UNKNOWN,
    UNKNOWN_PARAMETER,
    unknown_mechanism,
)

_COMMANDS: Final = {
    verb.name.encode(): verb
    for verb in Verb
    if verb not in {Verb.LAST, Verb.HANDSHAKE, Verb.RESPONSE, Verb.DOT, Verb.VERDICT}
}
# What nearly all clients say. Such an address is a mailbox and a path, so one match
# does for all the questions that are asked of others.
_PLAIN: Final = r"<([a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9.-]{1,255})>"
_PLAIN_FROM: Final = re.compile(
    rf"FROM:{_PLAIN}(?: SIZE=([0-9]{{1,20}}))?", re.ASCII | re.IGNORECASE
)
_PLAIN_TO: Final = re.compile(rf"TO:{_PLAIN}", re.ASCII | re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NAME: Final = re.compile(r"\S{1,255}")
_CHUNK: Final = re.compile(r"([0-9]{1,20})(?: +([A-Za-z]+))?")
_MECHANISM: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")  # RFC 4422 3.1

# What stands between < and >, with a quoted local part or without, and behind it
# the parameters; `is_path` has the last word on the first group.
_PATH: Final = r'<("(?>(?:[^"\\]|\\.)*)"@[^<>"\\]*+|[^<>"]*+)>(?: +(.*))?'
_FROM: Final = re.compile(r"FROM: *" + _PATH, re.ASCII | re.IGNORECASE)
_TO: Final = re.compile(r"TO: *" + _PATH, re.ASCII | re.IGNORECASE)

# The parameters of MAIL by keyword; each pattern is that of `=value`.
_PARAMETERS: Final = {
    "SIZE": re.compile(r"=[0-9]{1,20}"),  # RFC 1870 4
    "BODY": re.compile(r"=(?:7BIT|8BITMIME)", re.ASCII | re.IGNORECASE),
    "SMTPUTF8": re.compile(r""),
    "AUTH": re.compile(r"=[!-~]+"),  # RFC 4954 5: who wrote it, believed of nobody
}


class Chunk(NamedTuple):
    """What BDAT announces."""

    verb: Verb  # BDAT or LAST
    size: int


class Wish(NamedTuple):
    """What AUTH asks for; an initial response may be empty."""

    mechanism: Mechanism
    initial: bytes | None


def parse_command(line: bytes) -> tuple[Verb, str] | Reply:
    """The verb on this line, whose end is cut off, and what stands behind it."""
    # Bytes, since `upper` of text makes an S of more than one letter.
    word, _, rest = line.partition(b" ")
    verb = _COMMANDS.get(word.upper())
    if verb is None:
        return UNKNOWN
    try:
        argument = rest.decode()
    except UnicodeDecodeError:
        return NOT_TEXT
    if _CONTROL.search(argument):
        return NOT_TEXT
    return verb, argument.strip(" ")


def parse_name(argument: str) -> str | Reply:
    """The name a client gives itself, anything that is one word.

    Half of all clients say what their machine is called, whether it is a host
    name or not; nothing is decided by it.
    """
    return argument if _NAME.fullmatch(argument) else HELLO_SYNTAX


def parse_mail(argument: str) -> MailGiven | Reply:
    """The sender and parameters of MAIL."""
    plain = _PLAIN_FROM.fullmatch(argument)
    if plain is not None:
        size = None if plain[2] is None else int(plain[2])
        return MailGiven(plain[1], size=size)
    return _parse_mail(argument)


def _parse_mail(argument: str) -> MailGiven | Reply:
    match = _FROM.fullmatch(argument)
    if match is None:
        return BAD_SENDER if argument[:5].upper() == "FROM:" else MAIL_SYNTAX
    parameters = _parameters(match[2] or "")
    if isinstance(parameters, Reply):
        return parameters
    sender, utf8 = match[1], "SMTPUTF8" in parameters
    if sender and not _is_mailbox(sender):
        return BAD_SENDER
    if not (utf8 or sender.isascii()):
        return NEEDS_UTF8
    size = int(parameters["SIZE"][1:]) if "SIZE" in parameters else None
    eight_bit = parameters.get("BODY", "").upper() == "=8BITMIME"
    return MailGiven(sender, utf8, size, eight_bit)


def parse_rcpt(argument: str, *, utf8: bool) -> RcptGiven | Reply:
    """The recipient of RCPT, for which no parameter is offered."""
    plain = _PLAIN_TO.fullmatch(argument)
    if plain is not None:
        return RcptGiven(plain[1])
    match = _TO.fullmatch(argument)
    if match is None:
        return BAD_RECIPIENT if argument[:3].upper() == "TO:" else RCPT_SYNTAX
    if match[2]:
        return UNKNOWN_PARAMETER
    if not _is_mailbox(match[1]):
        return BAD_RECIPIENT
    if not (utf8 or match[1].isascii()):
        return NEEDS_UTF8
    return RcptGiven(match[1])


def parse_chunk(argument: str) -> Chunk | Reply:
    """The size of the chunk behind this line, and whether it is the last."""
    match = _CHUNK.fullmatch(argument)
    if match is None or (match[2] or "LAST").upper() != "LAST":
        return BDAT_SYNTAX
    return Chunk(Verb.LAST if match[2] else Verb.BDAT, int(match[1]))


def parse_auth(argument: str) -> Wish | Reply:
    """The mechanism of AUTH and its initial response (RFC 4954 4)."""
    name, _, rest = argument.partition(" ")
    rest = rest.lstrip(" ")
    if not _MECHANISM.fullmatch(name) or " " in rest:
        return AUTH_SYNTAX
    if name.upper() not in Mechanism.__members__:
        return unknown_mechanism(name.upper())
    initial = rest.encode() or None
    return Wish(Mechanism[name.upper()], b"" if initial == b"=" else initial)


def _is_mailbox(path: str) -> bool:
    """True for what has a local part and a domain, whatever they are."""
    local, _, domain = path.rpartition("@")
    return bool(local and domain) and local[0] != "@" and is_path(path)


def _parameters(text: str) -> dict[str, str] | Reply:
    """The parameters by keyword, each with its `=value`."""
    found: dict[str, str] = {}
    for word in text.split(" ") if text else ():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if not word.isascii() or keyword not in _PARAMETERS:
            return UNKNOWN_PARAMETER
        if keyword in found or not _PARAMETERS[keyword].fullmatch(equals + value):
            return BAD_PARAMETER
        found[keyword] = equals + value
    return found
