"""One line of Postfix's log as a value, or None for what is of no interest.

Everything in a line but its prefix may be hostile text: subjects, addresses, what a
remote server said. So the prefix decides: the stamp, the host, the tag with the
program's name and the queue id are matched from the line's first byte on, and what
follows only as that program writes it. A subject that looks like a line never
stands there. Whoever may write to the system's log himself can forge lines, though:
against that stands what the server believes (`store/reports.py`).

No pattern backtracks over more than a few bytes, so a line costs time that grows with
its length, and a line has at most ``MAX_LINE`` bytes.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from appliance.agent.names import MESSAGE_HEADER

MAX_LINE = 8192  # Postfix cuts what it logs at 2000 (msg_output.c)

# Short ids are hexadecimal; long ones have no vowels (enable_long_queue_ids).
_ID = rb"(?:[0-9A-F]{6,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,32})"
_UUID = rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_UUID_7 = rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
_ADDRESS = rb'(?>(?:"(?>(?:[^"\\]|\\.)*)"|[^">])*)'

# Instances are called postfix, postfix-out and so on (MULTI_INSTANCE_README), and
# services can add their own name: postfix/relay/smtp.
_PREFIX = re.compile(
    rb"([A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d"
    rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d))"
    rb" ([^ \[\]]{1,255}+) postfix[\w.-]{0,60}+(?:/[\w.-]{1,60}+){0,2}?"
    rb"/(smtp|lmtp|local|virtual|pipe|error|retry|bounce|cleanup|qmgr)"
    rb"\[\d{1,10}\]: (" + _ID + rb"): "
)
_ATTEMPT = re.compile(
    rb"to=<(" + _ADDRESS + rb")>, (?:orig_to=<(" + _ADDRESS + rb")>, )?"
    # Not "anything but dsn=, possessively": Debian 12's Python gets that wrong.
    rb"relay=([^,]{1,400}+), (?:[a-z_]{1,20}+=[^,() ]{0,100}+, ){0,8}?"
    rb"dsn=([245]\.\d{1,3}\.\d{1,3}), status=([A-Za-z-]{1,20}+)(?: \((.*))?",
    re.DOTALL,
)
_NAMED = re.compile(
    rb"(?:info|warning): header (?i:%s): {0,4}(%s)(?= |$)"
    % (MESSAGE_HEADER.encode(), _UUID)
)
_MESSAGE_ID = re.compile(rb"message-id=(?:<(" + _UUID_7 + rb")@[^<>@ ]{1,255}>$)?")
_QUEUED = re.compile(rb"from=<(.*)>, size=\d{1,20}, nrcpt=\d{1,10} \(queue active\)$")
_OWN_PATH = re.compile(rb"(?i:bounces\+(" + _UUID + rb")\+\d{1,18}@[^@]{1,255})")
_EXPIRED = re.compile(rb"from=<.*>, status=(?:force-)?expired, returned to sender$")
_REQUEUED = re.compile(rb"queued as (" + _ID + rb")(?![0-9A-Za-z])")
_FORWARDED = re.compile(rb"forwarded as (" + _ID + rb")$")
# The address, not the name: that is what its owner says it is.
_HERE = re.compile(rb"[^\[]{0,300}+\[(?:127\.0\.0\.1|::1)\]:")


class By(IntEnum):
    """How a queue id was found to be a delivery; the greater is believed more."""

    NOTHING = 0
    REQUEUE = 1
    MESSAGE_ID = 2
    RETURN_PATH = 3
    HEADER = 4


@dataclass(frozen=True, slots=True)
class Named:
    """The mail with this queue id is that delivery, "" if the line names none.

    ``alien`` is true of what has the null sender: a report, and no delivery of ours.
    """

    queue_id: bytes
    uuid: bytes
    by: By
    alien: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one recipient; ``to`` is whom the sender named."""

    queue_id: bytes
    stamp: bytes
    host: bytes
    to: bytes
    relay: bytes
    dsn: bytes
    status: bytes
    text: bytes
    again: bytes = b""
    """The queue id under which the mail goes on in this very log, b"" if it ends."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Postfix gave up what was still put off."""

    queue_id: bytes
    stamp: bytes
    host: bytes


@dataclass(frozen=True, slots=True)
class Removed:
    """The queue id is free for another mail."""

    queue_id: bytes


@dataclass(frozen=True, slots=True)
class Strange:
    """A line that should be understood, and is not."""


Line: TypeAlias = Named | Attempt | Expired | Removed | Strange


def parse_line(line: bytes) -> Line | None:
    """What the line says, None if it is nothing that matters here."""
    prefix = _PREFIX.match(line, 0, MAX_LINE)
    if prefix is None:
        return None
    stamp, host, program, queue_id = prefix.groups()
    rest = line[prefix.end() : MAX_LINE].rstrip()
    if rest.startswith(b"to=<"):
        return _attempt(rest, stamp, host, queue_id, program)
    if program == b"cleanup":
        return _cleanup(rest, queue_id)
    if program == b"qmgr":
        return _qmgr(rest, stamp, host, queue_id)
    return None


def _attempt(
    rest: bytes, stamp: bytes, host: bytes, queue_id: bytes, program: bytes
) -> Line:
    found = _ATTEMPT.match(rest)
    if found is None:
        return Strange()
    to, original, relay, dsn, status, text = found.groups(b"")
    text = text.removesuffix(b")")
    again = _goes_on(program, relay, text) if status == b"sent" else b""
    return Attempt(
        queue_id, stamp, host, original or to, relay, dsn, status, text, again
    )


def _goes_on(program: bytes, relay: bytes, text: bytes) -> bytes:
    """A content filter's answer, or an alias: the mail goes on by another id."""
    again = None
    if program == b"local":
        again = _FORWARDED.match(text)
    elif _HERE.match(relay):
        again = _REQUEUED.search(text)
    return again[1] if again else b""


def _cleanup(rest: bytes, queue_id: bytes) -> Line | None:
    if header := _NAMED.match(rest):
        return Named(queue_id, header[1].lower(), By.HEADER)
    if message_id := _MESSAGE_ID.match(rest):
        uuid = message_id[1]
        return Named(queue_id, uuid or b"", By.MESSAGE_ID if uuid else By.NOTHING)
    return None


def _qmgr(rest: bytes, stamp: bytes, host: bytes, queue_id: bytes) -> Line | None:
    if rest == b"removed":
        return Removed(queue_id)
    if queued := _QUEUED.match(rest):
        sender = queued[1]
        own = _OWN_PATH.fullmatch(sender)
        if own:
            return Named(queue_id, own[1].lower(), By.RETURN_PATH)
        return Named(queue_id, b"", By.NOTHING, alien=not sender)
    if _EXPIRED.match(rest):
        return Expired(queue_id, stamp, host)
    return None
