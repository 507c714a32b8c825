"""The shapes of the world are in ``returns/``: each file is one mail that came back.

``returns/bounces.tsv`` has what each bounce says, a line for each recipient.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.bounce import classify
from appliance.mime.returned import (
    MAX_DIAGNOSTIC_CHARS,
    MAX_RECIPIENTS,
    Action,
    AutoReply,
    Bounced,
    Complaint,
    Failed,
    Returned,
    Unknown,
)
from appliance.mime.returns import read_return, ways_out

RETURNS = Path(__file__).with_name("returns")
DELIVERY = UUID("0196c3a2-7b1e-7c44-9d1f-3a5b8f0e2c11")
RETURN_PATH = f"bounces+{DELIVERY}+7@sp-bounce.shop.example"
OTHERS: dict[str, Returned] = {
    "arf-abuse": Complaint(
        "abuse",
        RETURN_PATH,
        "bob@mail.example",
        f"{DELIVERY}@shop.example",
        DELIVERY,
        1778572931,
    ),
    "arf-minimal": Complaint("abuse", message_id=f"{DELIVERY}@shop.example"),
    "arf-redacted": Complaint(
        "fraud",
        message_id="redacted@shop.example",
        delivery=DELIVERY,
        arrived_s=1778572931,
    ),
    "arf-auth-failure": Complaint(
        "auth-failure",
        "forger@example.net",
        message_id="753885954.2173275@example.net",
        arrived_s=1778559147,
    ),
    "arf-outlook": Complaint(
        "abuse",
        original_recipient="bob@hotmail.example",
        message_id=f"{DELIVERY}@shop.example",
        delivery=DELIVERY,
    ),
    "autoreply-exchange": AutoReply("subject: automatic reply"),
    "autoreply-german": AutoReply("subject: abwesenheitsnotiz"),
    "autoreply-japanese": AutoReply("subject: 不在通知"),
    "autoreply-precedence": AutoReply("precedence: auto_reply"),
    "autoreply-quotes-bounce": AutoReply("auto-submitted: auto-replied"),
    "autoreply-rfc3834": AutoReply("auto-submitted: auto-replied"),
    "receipt": AutoReply("receipt"),
    "unknown-dmarc": Unknown("no report, no known text"),
    "unknown-forwarded-bounce": Unknown("no report, no known text"),
    "unknown-person": Unknown("no report, no known text"),
}


def told() -> dict[str, list[dict[str, str]]]:
    """The lines of ``bounces.tsv``, by the mail that they are about."""
    found: dict[str, list[dict[str, str]]] = {}
    lines = (RETURNS / "bounces.tsv").read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        found.setdefault(row["mail"], []).append(row)
    return found


def as_row(one: Failed, begins: str) -> dict[str, str]:
    """What was read, in the columns of ``bounces.tsv``."""
    verdict = classify(one.code, one.status, one.diagnostic)
    failed = one.action is Action.FAILED
    return {
        "action": one.action.value,
        "address": one.address,
        "original": one.original,
        "status": one.status,
        "code": str(one.code or ""),
        "remote_mta": one.remote_mta,
        "at_s": str(one.at_s or ""),
        "kind": verdict.kind.value if failed else "",
        "reason": verdict.reason.value if failed else "",
        "diagnostic begins": one.diagnostic[: len(begins)],
    }


def sample(name: str) -> bytes:
    """One mail as it came, with LF for its line ends."""
    return (RETURNS / f"{name}.eml").read_bytes()


def samples() -> Iterator[str]:
    """The names of all of them."""
    return (path.stem for path in sorted(RETURNS.glob("*.eml")))


@pytest.mark.parametrize(("name", "rows"), list(told().items()))
def test_bounces_of_the_world_are_read(name: str, rows: list[dict[str, str]]) -> None:
    """Whom it is about, what was said, and what that means: hard or soft, and why."""
    returned = read_return(sample(name))
    assert isinstance(returned, Bounced)
    begins = [row["diagnostic begins"] for row in rows]
    read = [
        {"mail": name} | as_row(one, words)
        for one, words in zip(returned.recipients, begins, strict=True)
    ]
    assert read == rows


@pytest.mark.parametrize(("name", "expected"), list(OTHERS.items()))
def test_what_is_no_bounce_is_told_apart(name: str, expected: Returned) -> None:
    """Complaints, answers of machines, and mail that says nothing to us."""
    assert read_return(sample(name)) == expected


def test_each_sample_is_expected() -> None:
    """No file lies there unread, and there are enough to call it the world."""
    names = set(samples())
    assert names == told().keys() | OTHERS.keys()
    assert len(names) >= 60


@pytest.mark.parametrize("name", list(samples()))
def test_line_ends_do_not_matter(name: str) -> None:
    """CRLF, LF, a CR too many: the mail is the same."""
    data = sample(name)
    expected = read_return(data)
    assert read_return(data.replace(b"\n", b"\r\n")) == expected
    assert read_return(data.replace(b"\n", b"\r\r\n")) == expected


@pytest.mark.parametrize("name", list(samples()))
def test_nuls_do_not_matter(name: str) -> None:
    """ATTACKS 14: a NUL hides nothing from us that others see."""
    data = sample(name)
    assert read_return(data.replace(b"e", b"\0e\0")) == read_return(data)


@pytest.mark.parametrize("name", ["postfix", "exchange-2010", "arf-abuse", "qmail"])
def test_a_mail_cut_within_the_copy_of_ours_says_the_same(name: str) -> None:
    """Large mail is cut by those who report, and by us; the report is before it."""
    data = sample(name)
    expected = read_return(data)
    for end in range(data.rindex(b"From: "), len(data), 7):
        returned = read_return(data[:end])
        if isinstance(expected, Bounced):
            assert returned == expected
        else:
            assert isinstance(returned, Complaint)
            assert returned.original_mail_from == RETURN_PATH
    assert read_return(data + b"x" * 5_000_000)


@given(st.data())
def test_a_mangled_report_is_read_or_not_and_never_raises(data: st.DataObject) -> None:
    """ATTACKS 24: pieces of real reports, cut and put together in any order."""
    names = st.sampled_from(list(samples()))
    out = b""
    for _ in range(data.draw(st.integers(1, 3))):
        mail = sample(data.draw(names))
        start = data.draw(st.integers(0, len(mail)))
        out += mail[start : data.draw(st.integers(start, len(mail)))]
        out += data.draw(st.binary(max_size=20))
    check(read_return(out))


@given(st.binary(max_size=500))
def test_any_octets_are_read(octets: bytes) -> None:
    """Whatever comes in, the answer is one of ours, and the same for each line end."""
    returned = read_return(octets)
    check(returned)
    plain = octets.replace(b"\r", b"")
    assert read_return(plain.replace(b"\n", b"\r\n")) == returned


@given(
    st.lists(
        st.sampled_from(
            [
                *(b"Final-Recipient: rfc822; bob@example.com\n", b"Action: failed\n"),
                *(b"Status: 5.1.1\n", b"\n", b"Content-Type: message/rfc822\n"),
                *(b"--b\n", b"--b--\n", b"--c\n", b"<bob@example.com>:\n", b" x\n"),
                *(b"Content-Type: multipart/mixed; boundary=c\n", b"550 5.1.1 no\n"),
                *(b"Content-Type: message/delivery-status\n", b"bob@example.com\n"),
                *(b"Content-Transfer-Encoding: base64\n", b"\xff\xfe\0", b"Action:"),
                b"This is the mail system at host x\n",
                b"Content-Type: message/feedback-report\nFeedback-Type: abuse\n",
            ]
        ),
        max_size=40,
    )
)
def test_any_order_of_lines_is_read(lines: list[bytes]) -> None:
    """What steers the reader may come anywhere."""
    head = b"From: MAILER-DAEMON\nContent-Type: multipart/report; boundary=b\n"
    check(read_return(head + b"".join(lines)))


def check(returned: Returned) -> None:
    """The promises of the values."""
    match returned:
        case Bounced(recipients):
            assert 0 < len(recipients) <= MAX_RECIPIENTS
            assert len({(one.address, one.original) for one in recipients}) == len(
                recipients
            )
            for one in recipients:
                assert len(one.diagnostic) <= MAX_DIAGNOSTIC_CHARS
                assert one.diagnostic.split() == one.diagnostic.split(" ") or (
                    not one.diagnostic
                )
                assert one.code == 0 or 200 <= one.code < 600
        case Complaint():
            assert len(returned.message_id) <= 255
        case _:
            assert returned.reason


REPORT = (
    b"From: MAILER-DAEMON@x.example\nSubject: Undeliverable\n"
    b"Content-Type: multipart/report; boundary=b\n\n"
)
STATUS = REPORT + b"--b\nContent-Type: message/delivery-status\n\n"
PROSE = b"From: MAILER-DAEMON\n\nThis is the mail system at host x\n"
HTML = b"From: MAILER-DAEMON\nContent-Type: text/html\n\n"
BOMBS = {
    "one line": (PROSE, b"a"),
    "at signs": (PROSE, b"a@"),
    "addresses": (PROSE, b"<bob@example.com>:\n550 no\n"),
    "codes": (PROSE, b"450 "),
    "statuses": (PROSE, b"5.1."),
    "blanks": (PROSE, b"\t"),
    "commands": (PROSE, b"<<< 550 \n"),
    "delimiters": (REPORT, b"--b\n"),
    "almost delimiters": (REPORT, b"\n--bx"),
    "messages in messages": (REPORT, b"--b\nContent-Type: message/rfc822\n\n"),
    "multiparts in multiparts": (
        REPORT,
        b"--b\nContent-Type: multipart/mixed; boundary=b\n\n",
    ),
    "fields": (b"", b"X: a\n"),
    "folds": (b"X: a\n", b" a\n"),
    "a comment": (b"Content-Type: text/plain", b"; a=("),
    "encoded words": (b"Subject: ", b"=?utf-8?q?a?= "),
    "failed recipients": (b"X-Failed-Recipients: ", b"b@example.com,"),
    "recipients": (STATUS, b"Final-Recipient: b@example.com\nAction: failed\n\n"),
    "fields of a report": (STATUS, b"A: b\n"),
    "blank lines": (STATUS, b"\n"),
    "reports": (REPORT, b"--b\nContent-Type: message/delivery-status\n\nA: b\n"),
    "diagnostic": (STATUS + b"Final-Recipient: a\nDiagnostic-Code: ", b"550-5.1.1 "),
    "names": (STATUS, "Final-Recipient: a@ü.ü.ü\nAction: failed\n".encode()),
    "dates": (STATUS + b"Final-Recipient: a\nLast-Attempt-Date: ", b"1 Jan 2020 "),
    "tags": (HTML, b"<a"),
    "styles": (HTML, b"<style>"),
    "entities": (HTML, b"&#1;&"),
    "NULs": (b"", b"\0"),
    "CRs": (b"", b"\r"),
    "no characters": (PROSE, b"\xff"),
    "base64": (
        STATUS.removesuffix(b"\n") + b"Content-Transfer-Encoding: base64\n\n",
        b"=!A",
    ),
    "quoted-printable": (
        STATUS.removesuffix(b"\n") + b"Content-Transfer-Encoding: quoted-printable\n\n",
        b"=",
    ),
}


@pytest.mark.parametrize(("head", "unit"), list(BOMBS.values()), ids=list(BOMBS))
def test_a_bomb_costs_its_length_and_no_more(head: bytes, unit: bytes) -> None:
    """ATTACKS 14, 24: quadratic work takes minutes, and the test its timeout."""
    check(read_return(head + unit * (1_000_000 // len(unit))))


def test_ten_thousand_messages_in_each_other_are_one() -> None:
    """ATTACKS 14: what a message within the report says is not about our mail."""
    inner = b"Content-Type: message/rfc822\n\n" * 10_000
    forged = b"Final-Recipient: rfc822; bob@example.com\nAction: failed\n"
    data = REPORT + b"--b\n" + inner + b"Content-Type: message/delivery-status\n\n"
    assert isinstance(read_return(data + forged), Unknown)


def test_recipients_have_a_bound() -> None:
    """One mail makes no more work than a hundred recipients do."""
    blocks = b"".join(
        b"Final-Recipient: rfc822; u%d@example.com\nAction: failed\n\n" % number
        for number in range(1_000)
    )
    returned = read_return(STATUS + blocks)
    assert isinstance(returned, Bounced)
    assert len(returned.recipients) == MAX_RECIPIENTS


def test_an_archive_is_never_opened() -> None:
    """ATTACKS 24: a gz or zip bomb in a DMARC report stays what it is."""
    data = (
        b"From: postmaster@x.example\nSubject: Report Domain: shop.example\n"
        b"Content-Type: application/gzip\nContent-Encoding: gzip\n"
        b"Content-Transfer-Encoding: base64\n\nH4sIAAAAAAAAA+3BMQEAAADCoPVPbQ==\n"
    )
    assert isinstance(read_return(data), Unknown)


def test_ways_out_are_found_in_the_mail_that_is_returned() -> None:
    """Folded, in any case, links only, and no more than a few."""
    field = b"LIST-Unsubscribe: <mailto:a/%b>,\r\n\t<https://x/u/%b>\r\n"
    one = field % (b"m" * 22, b"a" * 22)
    assert list(ways_out(b"A: b\r\n\r\n--b\r\n\r\n" + one)) == ["m" * 22, "a" * 22]
    assert list(ways_out(b"X-List-Unsubscribe: <https://x/u/%b>" % (b"a" * 22))) == []
    assert list(ways_out(b"List-Unsubscribe: <https://x/u/short>\r\n")) == []
    assert len(list(ways_out(one * 99))) == 8


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_have_ways_out_or_none(front: bytes, back: bytes) -> None:
    """Whatever a stranger writes there, it is text that a token could be."""
    for text in ways_out(front + b"\r\nlist-unsubscribe:" + back):
        assert text.replace("-", "").replace("_", "").isalnum() or not text.strip("-_")
