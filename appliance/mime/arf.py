"""Complaints: feedback reports (RFC 5965, 6591) and Outlook's form without one.

What a reporter hides ("redacted") stays unknown; the mail's own trace field, its
Message-ID or its return path may still tell which mail it was.
"""

import re
from uuid import UUID

from appliance.mime.pieces import Fields, Mail, read_fields
from appliance.mime.returned import Complaint
from appliance.mime.told import one_line, read_address, read_date

_REPORT = "message/feedback-report"
_ORIGINALS = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "text/rfc822",
    "message/rfc822-headers",
    "message/global-headers",
)
_OUTLOOK = "x-hmxmroriginalrecipient"
_TRACE = "-message-uuid"  # how each dialect's field ends that names the delivery
_MAX_TYPE_CHARS = 40
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<?([^<>\s]{1,255})>?")
_NO_FIELDS = Fields(())


def read_complaint(mail: Mail) -> Complaint | None:
    """The complaint that the mail is, None if it is none."""
    original = _original(mail)
    for piece in mail.of_kind(_REPORT):
        report = Fields(tuple(read_fields(piece.text())))
        return _complaint(report, original)
    if original.has(_OUTLOOK):
        return _complaint(Fields((("feedback-type", "abuse"),)), original)
    return None


def _original(mail: Mail) -> Fields:
    """The header of the mail that the report is about."""
    piece = next(mail.of_kind(*_ORIGINALS), None)
    return piece.header() if piece else _NO_FIELDS


def _complaint(report: Fields, original: Fields) -> Complaint:
    sender = report.first("original-mail-from") or original.first("return-path")
    recipient = report.first("original-rcpt-to") or original.first(_OUTLOOK)
    message_id = original.first("message-id") or report.first("message-id")
    arrival = report.first("arrival-date") or report.first("received-date")
    return Complaint(
        one_line(report.first("feedback-type")).lower()[:_MAX_TYPE_CHARS],
        read_address(sender),
        read_address(recipient),
        _message_id(message_id),
        _delivery(original),
        read_date(arrival),
    )


def _message_id(value: str) -> str:
    match = _MESSAGE_ID.fullmatch(value.strip())
    return match[1] if match else ""


def _delivery(original: Fields) -> UUID | None:
    """The delivery that the trace field names; two names are none."""
    told = {value for name, value in original.pairs if name.endswith(_TRACE)}
    only = told.pop() if len(told) == 1 else ""
    return UUID(only) if _UUID.fullmatch(only) else None
