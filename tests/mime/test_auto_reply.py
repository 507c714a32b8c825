import pytest

from appliance.mime.auto_reply import read_auto_reply, reply_by_header
from appliance.mime.pieces import read_mail
from appliance.mime.returned import AutoReply


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Auto-Submitted: auto-replied", "auto-submitted: auto-replied"),
        ("auto-submitted: Auto-Replied; x=y", "auto-submitted: auto-replied"),
        ("Auto-Submitted: auto-notified (x)", "auto-submitted: auto-notified"),
        ("Precedence: auto_reply", "precedence: auto_reply"),
        ("X-Precedence: auto-reply", "x-precedence: auto-reply"),
        ("X-Autoreply: yes", "x-autoreply"),
        ("X-AutoRespond: x", "x-autorespond"),
    ],
)
def test_the_header_says_that_a_machine_answers(header: str, reason: str) -> None:
    """RFC 3834 5, and what is older than it."""
    assert reply_by_header(read_mail(header.encode())) == AutoReply(reason)


@pytest.mark.parametrize(
    "header",
    [
        *("Auto-Submitted: no", "Auto-Submitted: auto-generated", "Precedence: bulk"),
        *("X-Auto-Response-Suppress: All", "Subject: Automatic reply", ""),
    ],
)
def test_other_headers_do_not(header: str) -> None:
    """Reports are generated too, and Exchange marks all that it sends."""
    assert reply_by_header(read_mail(header.encode())) is None


@pytest.mark.parametrize(
    "subject",
    [
        *(
            "Out of Office: Your order",
            "Re: AUTOMATIC REPLY",
            "Automatische Antwort: x",
        ),
        *("Réponse automatique : x", "Respuesta automática: x", "Risposta automatica"),
        *("Автоответ: x", "自动回复: x", "=?utf-8?B?5LiN5Zyo6YCa55+l?=", "Autosvar: x"),
        *("Abwesend: x", "Out-of-office", "Otomatik yan\u0131t: x"),
    ],
)
def test_the_subject_says_so_in_many_languages(subject: str) -> None:
    """Where the header says nothing."""
    found = read_auto_reply(read_mail(f"Subject: {subject}\n".encode()))
    assert found is not None
    assert found.reason.startswith("subject: ")


@pytest.mark.parametrize("subject", ["Your order", "Undeliverable: x", "Reply", ""])
def test_other_subjects_do_not(subject: str) -> None:
    """A bounce is not taken for a vacation."""
    assert read_auto_reply(read_mail(f"Subject: {subject}\n".encode())) is None
