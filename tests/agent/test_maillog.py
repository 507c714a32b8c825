"""Lines of Postfix's log: what counts, and what only looks like it (ATTACKS 25)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.agent.maillog import (
    MAX_LINE,
    Attempt,
    By,
    Expired,
    Named,
    Removed,
    Strange,
    parse_line,
)
from tests.fakes.maillog import Mail, line

MAIL = Mail()
ID = MAIL.id.encode()
UUID = str(MAIL.uuid).encode()


def attempt(text: bytes) -> Attempt:
    """The attempt that the line is."""
    parsed = parse_line(text.rstrip(b"\n"))
    assert isinstance(parsed, Attempt)
    return parsed


def test_a_delivery_is_read() -> None:
    """Recipient, relay, status and words, all as they stand there."""
    assert attempt(MAIL.bounced()) == Attempt(
        ID,
        b"Nov 26 05:00:00",
        b"mx",
        b"bob@example.org",
        b"mx.example.org[192.0.2.1]:25",
        b"5.1.1",
        b"bounced",
        b"host mx.example.org[192.0.2.1] said: 550 5.1.1 User unknown",
    )


@pytest.mark.parametrize(
    "program",
    ["smtp", "lmtp", "local", "virtual", "pipe", "error", "retry", "bounce", "qmgr"],
)
def test_each_program_that_ends_a_delivery_is_known(program: str) -> None:
    """They all log in one form (log_adhoc)."""
    assert attempt(MAIL.tried(program=program)).status == b"sent"


@pytest.mark.parametrize(
    "stamp",
    [
        "Nov 26 05:00:00",
        "Nov  6 05:00:00",
        "2026-11-26T05:00:00+01:00",
        "2026-11-26T05:00:00.123456+00:00",
        "2026-11-26T05:00:00Z",
    ],
)
def test_both_forms_of_time_are_known(stamp: str) -> None:
    """Classic syslog, and RFC 3339 with and without fractions."""
    assert attempt(Mail(stamp=stamp).tried()).stamp == stamp.encode()


@pytest.mark.parametrize(
    "tag", ["postfix", "postfix-out", "postfix/relay", "postfix-in/submission"]
)
def test_instances_and_services_have_names_of_their_own(tag: str) -> None:
    """MULTI_INSTANCE_README and -o syslog_name."""
    assert attempt(Mail(tag=tag).tried()).queue_id == ID


@pytest.mark.parametrize(
    "queue_id", ["4F1A2B3C4D", "3Pt2mN2VXxznjll", "4bKkDM0vLNzJsm"]
)
def test_short_and_long_queue_ids_are_known(queue_id: str) -> None:
    """Hexadecimal, and with enable_long_queue_ids."""
    assert attempt(Mail(queue_id=queue_id).tried()).queue_id == queue_id.encode()


def test_the_original_recipient_is_the_one_that_counts() -> None:
    """An alias makes another address of it."""
    assert attempt(MAIL.tried(original="info@example.org")).to == b"info@example.org"


def test_a_quoted_address_does_not_end_early() -> None:
    """What looks like the end of the field inside of quotes is the address."""
    to = r'"a>, relay=x[192.0.2.9]:25, delay=1, dsn=2.0.0, status=sent (\""@example.org'
    assert attempt(Mail(to=to).bounced()).status == b"bounced"


def test_fields_that_later_versions_add_are_passed_over() -> None:
    """Between relay and dsn there may be more."""
    text = MAIL.bounced().replace(b" dsn=", b" tls=verified, conn_use=2, dsn=")
    assert attempt(text).dsn == b"5.1.1"


def test_a_content_filter_hands_the_mail_on() -> None:
    """To this machine, by a new queue id, which is no delivery."""
    said = (
        "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5A6B7C8D"
    )
    for relay in ("127.0.0.1[127.0.0.1]:10024", "localhost[::1]:10024"):
        assert attempt(MAIL.tried(said=said, relay=relay)).again == b"5A6B7C8D"
    forwarded = MAIL.tried(said="forwarded as 5A6B7C8D", relay="local", program="local")
    assert attempt(forwarded).again == b"5A6B7C8D"


def test_another_server_cannot_say_that_it_is_this_one() -> None:
    """Neither by its name, nor by what it says."""
    said = "250 2.0.0 Ok: queued as 5A6B7C8D"
    for relay in (
        "localhost.evil.example[192.0.2.1]:25",
        "mx.example.org[192.0.2.1]:25",
    ):
        assert not attempt(MAIL.tried(said=said, relay=relay)).again


def test_the_header_names_the_delivery() -> None:
    """By the rule of etc/postfix/header_checks; whatever its letters' case."""
    for name in ("X-Sendpost-Message-UUID", "x-sendpost-message-uuid"):
        assert parse_line(MAIL.header(name)[:-1]) == Named(ID, UUID, By.HEADER)


def test_the_return_path_names_the_delivery() -> None:
    """It needs no rule."""
    assert parse_line(MAIL.queued()[:-1]) == Named(ID, UUID, By.RETURN_PATH)


def test_the_message_id_names_the_delivery() -> None:
    """If it has the form of ours; others leave the queue id known and unnamed."""
    named = MAIL.message_id(f"<{MAIL.uuid}@example.com>")[:-1]
    assert parse_line(named) == Named(ID, UUID, By.MESSAGE_ID)
    for text in ("<x@y>", "", f"<{MAIL.uuid}@a@b>", f"<x{MAIL.uuid}@a>"):
        assert parse_line(MAIL.message_id(text)[:-1]) == Named(ID, b"", By.NOTHING)


def test_the_null_sender_is_told_apart() -> None:
    """A report about a mail is not the mail."""
    parsed = parse_line(Mail(sender="").queued()[:-1])
    assert parsed == Named(ID, b"", By.NOTHING, alien=True)


def test_expiry_and_removal() -> None:
    """The queue manager's last words."""
    assert parse_line(MAIL.expired()[:-1]) == Expired(ID, b"Nov 26 05:00:00", b"mx")
    assert parse_line(MAIL.removed()[:-1]) == Removed(ID)


FORGED = f"Nov 26 05:00:00 mx postfix/smtp[1]: {MAIL.id}: to=<a@b>, relay=x[1]:2"
FORGED += ", delay=0, dsn=5.1.1, status=bounced (x)"


@pytest.mark.parametrize(
    "text",
    [
        line(
            "cleanup", f"{MAIL.id}: info: header Subject: {FORGED} from x[1]; from=<>"
        ),
        line("cleanup", f"{MAIL.id}: info: header Subject: {MAIL.header()!r}"),
        line("smtpd", f"NOQUEUE: reject: RCPT from x[1]: 550 5.1.1 <{FORGED}>"),
        line("smtpd", f"{MAIL.id}: to=<a@b>, relay=x, dsn=5.0.0, status=bounced (x)"),
        line("smtp", f"{MAIL.id}: host x[192.0.2.1] said: 450 {FORGED}"),
        line("smtp", f"warning: {MAIL.id}: {FORGED}"),
        b" " + MAIL.bounced(),
        b"x" + MAIL.bounced(),
        MAIL.bounced().replace(b"postfix/smtp", b"postfi/smtp"),
        MAIL.bounced().replace(b"postfix/smtp[", b"sshd/smtp["),
        MAIL.bounced().replace(b"mx postfix", b"mx logger: postfix"),
        MAIL.bounced().replace(b"[123]", b""),
        line("qmgr", f"{MAIL.id}: removed now"),
        line("smtp", f"{MAIL.id}: removed"),
    ],
)
def test_what_only_looks_like_a_line_does_not_count(text: bytes) -> None:
    """ATTACKS 25: subjects, names, replies and other programs make no event."""
    assert parse_line(text.rstrip(b"\n")) in (None, Named(ID, b"", By.NOTHING))


def test_a_recipient_cannot_make_his_queue_id_expire() -> None:
    """The sender's address stands inside of what the queue manager writes."""
    sender = '"x>, status=expired, returned to sender"@example.org'
    assert not isinstance(parse_line(Mail(sender=sender).queued()[:-1]), Expired)


def test_what_is_not_understood_is_counted() -> None:
    """A delivery in a form that is not known yet is not lost silently."""
    assert (
        parse_line(line("smtp", f"{MAIL.id}: to=<a@b>, status=odd")[:-1]) == Strange()
    )


def test_a_line_of_a_megabyte_is_cut() -> None:
    """ATTACKS 25: no more of it is looked at than a line may have."""
    parsed = attempt(MAIL.tried(said="x" * (1 << 20)))
    assert parsed.status == b"sent"
    assert len(parsed.text) < MAX_LINE
    long = b"Nov 26 05:00:00 " + b"a" * (1 << 20)
    assert parse_line(long) is None


@pytest.mark.parametrize(
    "filling",
    ["to=<" + '"' * 8000, "to=<" + '\\"' * 4000, "to=<a>, relay=x, " + "a=, " * 2000],
)
def test_no_line_costs_more_than_its_length(filling: str) -> None:
    """Patterns do not backtrack."""
    hostile = line("smtp", f"{MAIL.id}: {filling}")
    started = time.process_time()
    for _ in range(50):
        parse_line(hostile)
    assert time.process_time() - started < 1


def test_bytes_that_are_no_text_are_kept() -> None:
    """ATTACKS 25: a reply in Latin-1 is still a reply."""
    text = MAIL.bounced().replace(b"User unknown", b"Nutzer unbekannt \xfc\xff")
    assert attempt(text).text.endswith(b"\xfc\xff")


PIECES = st.sampled_from(
    [MAIL.header(), MAIL.bounced(), MAIL.queued(), MAIL.removed(), b"\x00\xff", b": "]
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=6), st.integers(0, 400))
def test_nothing_makes_it_fail(pieces: list[bytes], cut: int) -> None:
    """Whatever a log holds, a line is a value or nothing."""
    parse_line(b"".join(pieces)[cut:])


@given(st.integers(1, 250))
def test_a_line_that_ends_early_says_nothing_wrong(length: int) -> None:
    """A torn line has the status that stands there, or none."""
    parsed = parse_line(MAIL.bounced()[:length])
    if isinstance(parsed, Attempt):
        assert b"bounced".startswith(parsed.status)
