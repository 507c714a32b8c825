"""A mail that came to a return path or a complaint address, read for what it is.

What a machine wrote for machines comes first: a complaint, then a status report.
Then prose that only a mail system writes, then what tells an auto-reply, and last a
guess from a refusal in a mail system's text. Doubt is ``Unknown``: it bounces nobody.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from appliance.core.encoded_words import decode_words
from appliance.mime.arf import read_complaint
from appliance.mime.auto_reply import read_auto_reply, reply_by_header
from appliance.mime.dsn import read_status
from appliance.mime.pieces import Mail, read_head, read_mail
from appliance.mime.prose import (
    guess_prose,
    is_from_mail_system,
    read_prose,
    words_about,
)
from appliance.mime.returned import Bounced, Failed, Returned, Unknown
from appliance.mime.told import read_reply

_FEW = 4
_WAYS_OUT = re.compile(
    rb"^List-Unsubscribe:[^\r\n]*+(?>(?:\r\n[ \t][^\r\n]*+)*)",
    re.IGNORECASE | re.MULTILINE,
)
_LAST_OF_LINK = re.compile(rb"/([A-Za-z0-9_-]{22,16384})>")


def read_return(data: bytes) -> Returned:
    """What the mail ``data`` is; never raises, and takes time linear in its bounds."""
    mail = read_mail(data)
    if complaint := read_complaint(mail):
        return complaint
    if told := read_status(mail):
        return Bounced(_with_words(told, mail))
    return _read_text(mail)


def ways_out(data: bytes) -> Iterator[str]:
    """How the links of List-Unsubscribe end, also in a mail that this one returns.

    The first few, as they stand there: what is encoded anew is not found.
    """
    for found in islice(_WAYS_OUT.finditer(data), _FEW):
        for link in islice(_LAST_OF_LINK.finditer(found[0]), _FEW):
            yield link[1].decode()


def last_of_subject(data: bytes) -> str:
    """The last word of the subject, decoded and unfolded, "" if it has none."""
    words = decode_words(read_head(data).first("subject")).split()
    return words[-1] if words else ""


def _read_text(mail: Mail) -> Returned:
    """A mail without a report for machines."""
    # Somebody's robot may quote a bounce, or us.
    if not is_from_mail_system(mail) and (reply := reply_by_header(mail)):
        return reply
    if told := read_prose(mail):
        return Bounced(told)
    if reply := read_auto_reply(mail):
        return reply
    if told := guess_prose(mail):
        return Bounced(told)
    return Unknown("no report, no known text")


def _with_words(told: tuple[Failed, ...], mail: Mail) -> tuple[Failed, ...]:
    """``told`` with the words of the text for people, where the report has none."""
    if all(one.diagnostic for one in told):
        return told
    words = words_about(mail)
    return tuple(
        one if one.diagnostic else _worded(one, words.get(one.address, ""))
        for one in told
    )


def _worded(one: Failed, words: str) -> Failed:
    return replace(one, diagnostic=words, code=one.code or read_reply(words)[0])
