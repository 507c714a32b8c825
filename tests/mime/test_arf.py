from uuid import UUID

import pytest

from appliance.mime.arf import read_complaint
from appliance.mime.pieces import read_mail
from appliance.mime.returned import Complaint

DELIVERY = UUID("0196c3a2-7b1e-7c44-9d1f-3a5b8f0e2c11")
TRACE = f"X-Shop-Message-UUID: {DELIVERY}\n"


def read(report: str, original: str = "", kind: str = "message/rfc822") -> Complaint:
    """The complaint with this report about this mail."""
    data = (
        "Content-Type: multipart/report; boundary=b\n\n"
        f"--b\nContent-Type: message/feedback-report\n\n{report}\n"
        f"--b\nContent-Type: {kind}\n\n{original}\n--b--\n"
    )
    found = read_complaint(read_mail(data.encode()))
    assert found is not None
    return found


def test_what_the_reporter_hides_stays_unknown() -> None:
    """Nothing is guessed from a redacted field."""
    report = "Feedback-Type: Abuse\nOriginal-Mail-From: <>\nOriginal-Rcpt-To: hidden\n"
    assert read(report) == Complaint("abuse")


@pytest.mark.parametrize(
    "kind",
    ["message/rfc822", "text/rfc822-headers", "message/global", "text/rfc822"],
)
def test_the_mail_names_its_delivery_where_its_trace_is_left(kind: str) -> None:
    """Whole or only its header, as RFC 5965 2 has it."""
    read_one = read("Feedback-Type: abuse\n", f"{TRACE}Message-ID: <a@b>\n", kind)
    assert (read_one.delivery, read_one.message_id) == (DELIVERY, "a@b")


@pytest.mark.parametrize(
    "trace",
    [
        f"{TRACE}Y-Message-UUID: 0196c3a2-7b1e-7c44-9d1f-3a5b8f0e2c12\n",
        "X-Shop-Message-UUID: 0196c3a2\n",
        f"X-Shop-Message-UUID: {DELIVERY} x\n",
        f"Subject: X-Shop-Message-UUID: {DELIVERY}\n",
        f"\n{TRACE}",
    ],
)
def test_a_trace_that_is_not_beyond_doubt_is_none(trace: str) -> None:
    """ATTACKS 24: two of them, a broken one, or one in the body name no delivery."""
    assert read("Feedback-Type: abuse\n", trace).delivery is None


def test_the_return_path_stands_in_for_the_envelope_sender() -> None:
    """Some report only the mail, with what its last host wrote on top of it."""
    original = "Return-Path: <bounces+x+7@b.example>\nFrom: a@b.example\n"
    complaint = read("Feedback-Type: abuse\n", original)
    assert complaint.original_mail_from == "bounces+x+7@b.example"


@pytest.mark.parametrize(
    "value", ["<>", "<a b>", "", "<" + "a" * 300 + ">", "a\x00b c"]
)
def test_an_odd_message_id_is_none(value: str) -> None:
    """It is looked for in the store, so it has a bound."""
    report = f"Feedback-Type: abuse\nMessage-ID: {value}\n"
    assert read(report).message_id == ""


def test_a_report_without_a_type_is_told_as_such() -> None:
    """Whoever acts on it decides what that is worth."""
    assert read("Version: 1\n").feedback_type == ""


def test_a_mail_with_a_mail_in_it_is_no_complaint() -> None:
    """People forward mail."""
    head = "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
    data = f"{head}Content-Type: message/rfc822\n\n{TRACE}\n"
    assert read_complaint(read_mail(data.encode())) is None
