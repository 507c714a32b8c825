"""Bounces told in prose, as mail systems without RFC 3464 tell them.

A text is one if it says so in a known phrase, if its header names the recipients
that failed, or, last, if a mail system sends it and it holds a refusal. Who failed is
on the lines that begin with an address; what was said is on the lines below it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from appliance.core.bounce import UNMATCHED, classify_text
from appliance.core.encoded_words import decode_words
from appliance.mime.dsn import merge, recipients_in
from appliance.mime.pieces import Mail
from appliance.mime.report_text import report_text
from appliance.mime.returned import MAX_RECIPIENTS, Action, Failed
from appliance.mime.returned_words import (
    DELAYED,
    DELAYED_SUBJECTS,
    FAILED,
    FAILED_SUBJECTS,
)
from appliance.mime.told import ADDRESS, find_address, one_line, read_reply

_MAX_OPENING_CHARS = 16_384
_MAX_FIELD_CHARS = 1_000
_FAILED_FIELD = "x-failed-recipients"
_MAX_REPLY_LINES = 12
_MAX_WORDLESS_LINES = 4
_MAIL_SYSTEM = re.compile(
    r"mailer-?daemon|mail-?daemon|postmaster|mail delivery (?:sub)?system"
    r"|mail delivery service|mail delivery agent|microsoftexchange[0-9a-f]+@"
    r"|mdaemon@|system administrator|mail administrator|mail system|mail server at|<>"
)
# The address alone, in brackets with a colon, or with what is known to follow it.
_NAMED = re.compile(
    rf"[ \t*|>\-]{{0,20}}(?:<({ADDRESS})>|\"?({ADDRESS})\"?)[ \t]*"
    r"(?:[:;,.][ \t]*|-[ \t]+|$|(?=\(|<mailto:|<|on [A-Z][a-z]{2}, ))",
    re.ASCII,
)
# The address behind what says whose it is: "Unknown user: bob@example.com".
_LABELLED = re.compile(
    r"[ \t]*([A-Za-z][A-Za-z0-9() \-]{2,60}):[ \t]*\[?(?:SMTP:)?"
    rf"<?({ADDRESS})>?\]?[ \t.]*$",
    re.ASCII,
)
_ABOUT_SENDER = re.compile(r"\b(?:from|sender|by|id|contact)\b", re.IGNORECASE)
# Behind an alias: whom the mail was for at first (Exim, Postfix, Sendmail).
_ORIGIN = re.compile(
    r"[ \t]*\(?(?:ultimately )?(?:generated (?:from|by)|expanded from:?"
    r"|originally addressed to)"
    rf" <?({ADDRESS})>?",
    re.IGNORECASE,
)
_SPEAKS = re.compile(
    r"deliver|recipient|message|user|failed|mailbox|error-for|smtp=", re.IGNORECASE
)
_REFUSED = re.compile(rf"(?:<<< )?[45][0-9]{{2}}[ -][^<>]{{0,100}}<({ADDRESS})>")
_FIELD = re.compile(r"[A-Za-z\-]{2,30}:")
_HOST = re.compile(r"\bhost ([A-Za-z0-9][A-Za-z0-9.\-]{1,252}) ?\[")
_CURLY = "\u2019"


@dataclass(slots=True)
class _Told:
    """What the text says below one address, and right above it."""

    address: str
    above: list[str]
    words: list[str] = field(default_factory=list)
    original: str = ""

    @property
    def diagnostic(self) -> str:
        """The paragraph from the reply on, or the first lines without one."""
        for number, line in enumerate(self.words):
            if any(read_reply(line)):
                reply = takewhile(str.strip, self.words[number:][:_MAX_REPLY_LINES])
                return one_line(" ".join(reply))
        words = list(filter(str.strip, self.words))
        return one_line(" ".join(words[:_MAX_WORDLESS_LINES] or self.above))


def is_from_mail_system(mail: Mail) -> bool:
    """True if the mail looks like a mail system's report; anybody's can."""
    if mail.fields.has(_FAILED_FIELD):
        return True
    sender = decode_words(mail.fields.first("from")[:_MAX_FIELD_CHARS]).lower()
    return not sender.strip() or bool(_MAIL_SYSTEM.search(sender))


def read_prose(mail: Mail) -> tuple[Failed, ...]:
    """Whom a text that is surely a bounce is about, () if it is not surely one."""
    text = report_text(mail)
    action = _opening(text)
    if not mail.fields.has(_FAILED_FIELD) and (action is None or not _by_header(mail)):
        return ()
    return _read(mail, text, action or Action.FAILED)


def guess_prose(mail: Mail) -> tuple[Failed, ...]:
    """The same for a mail system's text that has nothing but a refusal in it."""
    action = _by_header(mail)
    if action is None:
        return ()
    found = _read(mail, report_text(mail), action)
    return tuple(one for one in found if _is_refusal(one))


def _is_refusal(one: Failed) -> bool:
    """True if there are a server's numbers, or words about somebody that we know."""
    if one.code or one.status:
        return True
    return bool(one.address) and classify_text(one.diagnostic).rule != UNMATCHED


def words_about(mail: Mail) -> Mapping[str, str]:
    """What the mail's text says of the recipients that it names."""
    return {one.address: one.diagnostic for one in _told(report_text(mail))}


def _by_header(mail: Mail) -> Action | None:
    """What sender and subject promise, None if that is no report."""
    subject = decode_words(mail.fields.first("subject")[:_MAX_FIELD_CHARS]).lower()
    if _holds(subject, DELAYED_SUBJECTS):
        return Action.DELAYED
    is_report = _holds(subject, FAILED_SUBJECTS) or is_from_mail_system(mail)
    return Action.FAILED if is_report else None


def _opening(text: str) -> Action | None:
    """What a known phrase says, None if there is none."""
    squeezed = " ".join(text[:_MAX_OPENING_CHARS].split()).lower().replace(_CURLY, "'")
    if _holds(squeezed, DELAYED):
        return Action.DELAYED
    return Action.FAILED if _holds(squeezed, FAILED) else None


def _holds(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in text for phrase in phrases)


def _read(mail: Mail, text: str, action: Action) -> tuple[Failed, ...]:
    """Whom the report is about: by its fields, its lines, or without a name."""
    if pasted := merge(recipients_in(text)):
        return pasted
    told = {one.address: one for one in _told(text)}
    named = _failed_recipients(mail) or tuple(told) or _fallback(text) or ("",)
    return merge(
        _failed(told.get(address) or _Told(address, [text]), action)
        for address in named
    )


def _failed(told: _Told, action: Action) -> Failed:
    diagnostic = told.diagnostic
    code, status = read_reply(diagnostic)
    host = _HOST.search(diagnostic)
    return Failed(
        told.address,
        action,
        original=told.original,
        status=status,
        code=code,
        diagnostic=diagnostic,
        remote_mta=host[1] if host else "",
    )


def _failed_recipients(mail: Mail) -> tuple[str, ...]:
    values = (value for name, value in mail.fields.pairs if name == _FAILED_FIELD)
    parts = ",".join(values).split(",")[:MAX_RECIPIENTS]
    return tuple(filter(None, map(find_address, parts)))


def _fallback(text: str) -> tuple[str, ...]:
    """An address in the middle of a line, where none has a line of its own."""
    for line in text.split("\n"):
        if "@" in line and _speaks(line.strip()) and (found := find_address(line)):
            return (found,)
    return ()


def _speaks(line: str) -> bool:
    """True if a line is about whom the mail was for; ``To: x`` is not."""
    if _FIELD.match(line) and not _SPEAKS.match(line):
        return False
    return bool(_SPEAKS.search(line) or _REFUSED.match(line))


def _told(text: str) -> list[_Told]:
    """The addresses that have lines of their own, each with the words about it.

    One that comes twice is one: the words with a reply in them are the better ones.
    Words that follow several addresses are about all of them.
    """
    found: dict[str, _Told] = {}
    waiting: list[_Told] = []
    for one in _sections(text):
        waiting.append(one)
        if any(map(str.strip, one.words)):
            for other in waiting:
                other.words = one.words
            waiting = []
        known = found.get(one.address)
        if known is None and len(found) == MAX_RECIPIENTS:
            break
        if known is None or _is_better(one.diagnostic, known.diagnostic):
            found[one.address] = one
    return list(found.values())


def _is_better(words: str, known: str) -> bool:
    return any(read_reply(words)) and not any(read_reply(known))


def _sections(text: str) -> Iterator[_Told]:
    current: _Told | None = None
    above: list[str] = []  # the paragraph so far, or the one before
    is_new = False
    for line in text.split("\n"):
        address, rest = _named(line)
        origin = _ORIGIN.match(rest)
        if address or (origin and not current):
            if current:
                yield current
            current = _Told(address or find_address(line), above)
        if current and origin and not current.original:
            current.original = find_address(origin[1])
        if current:
            current.words.append(rest)
        if rest.strip():
            above = [rest] if is_new else [*above[-3:], rest]
        is_new = not rest.strip()
    if current:
        yield current


def _named(line: str) -> tuple[str, str]:
    """The address that has this line, "" if none has it, and what else is there."""
    match = _NAMED.match(line)
    if match and (address := find_address(match[1] or match[2])):
        return address, line[match.end() :]
    label = _LABELLED.match(line)
    if label and _SPEAKS.search(label[1]) and not _ABOUT_SENDER.search(label[1]):
        return find_address(label[2]), line
    return "", line
