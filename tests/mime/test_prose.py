import pytest

from appliance.mime.pieces import Mail, read_mail
from appliance.mime.prose import guess_prose, read_prose, words_about
from appliance.mime.returned import Action

DAEMON = "From: MAILER-DAEMON@x.example\n"
OPENING = "Your message was not delivered to the following recipients.\n\n"


def mail(text: str, head: str = DAEMON) -> Mail:
    """A mail of plain text."""
    return read_mail(f"{head}\n{text}".encode())


def addresses(text: str) -> list[str]:
    """Whom a report with this text is about."""
    return [one.address for one in read_prose(mail(OPENING + text))]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "bob@example.com",
            "  bob@example.com",
            "<bob@example.com>:",
            "\tbob@example.com:",
        ),
        *(
            "<bob@example.com>: host x said: 550 no",
            "bob@example.com on Thu, 1 Jan 2004",
        ),
        *("bob@example.com<mailto:bob@example.com>", '"bob@example.com"'),
        *("bob@example.com (bob@example.com)<mailto:bob@example.com>",),
        *("Could not deliver to bob@example.com because of that",),
        *("550 5.1.1 <bob@example.com>... User unknown",),
        *("Recipient: <bob@example.com>",),
    ],
)
def test_the_line_that_names_the_recipient_is_found(line: str) -> None:
    """As mail systems write it."""
    assert addresses(f"{line}\nnot here\n") == ["bob@example.com"]


@pytest.mark.parametrize(
    "line",
    [
        *("To: bob@example.com", "From: bob@example.com", "Subject: bob@example.com"),
        *("Please write to us, or to postmaster", "The message is gone", "x@", "@x"),
        *("> To: bob@example.com", "Message-ID: <bob@example.com>"),
    ],
)
def test_other_lines_name_nobody(line: str) -> None:
    """The report stands, about nobody in particular."""
    assert addresses(f"{line}\n") == [""]


def test_nothing_is_read_in_the_copy_of_our_mail() -> None:
    """ATTACKS 24: what we wrote, or our customer's customer, is no report."""
    text = (
        "<bob@example.com>: 550 no\n\n--- Below this line is a copy of the message.\n"
    )
    assert addresses(f"{text}\n<eve@example.com>: 550 5.1.1 no\n") == [
        "bob@example.com"
    ]


def test_words_below_several_addresses_are_about_all_of_them() -> None:
    """A list of names, and then why."""
    text = "a@example.com\nb@example.com\n\n550 5.1.1 User unknown\n"
    told = read_prose(mail(OPENING + text))
    assert [(one.address, one.code) for one in told] == [
        ("a@example.com", 550),
        ("b@example.com", 550),
    ]


def test_our_subject_is_not_what_the_server_said() -> None:
    """Reports quote it between the address and the reply."""
    text = "bob@example.com\nSubject: 550 5.1.1 User unknown\n\nmailbox full\n"
    (one,) = read_prose(mail(OPENING + text))
    assert (one.code, one.diagnostic) == (0, "mailbox full")


def test_a_phrase_alone_makes_no_report() -> None:
    """A person may quote one; the sender or the subject has to be a mail system's."""
    text = f"{OPENING}<bob@example.com>: 550 5.1.1 no\n"
    assert read_prose(mail(text, "From: eve@example.com\n")) == ()
    subject = "From: eve@example.com\nSubject: Undeliverable: hi\n"
    assert len(read_prose(mail(text, subject))) == 1


def test_a_warning_is_a_delay() -> None:
    """Delayed reports are no bounces."""
    text = (
        "Warning: message still undelivered after 4 hours\n<bob@example.com>: 451 no\n"
    )
    (one,) = read_prose(mail(text))
    assert one.action is Action.DELAYED


def test_a_guess_needs_a_refusal() -> None:
    """A mail system that says nothing we know, and names no number, bounces nobody."""
    assert guess_prose(mail("Your account is fine, bob@example.com\n")) == ()
    (one,) = guess_prose(mail("We met this:\n550 5.1.1 <bob@example.com>... no\n"))
    assert (one.address, one.code, one.status) == ("bob@example.com", 550, "5.1.1")


def test_words_are_told_by_address() -> None:
    """For reports whose own fields leave them out."""
    text = "<bob@example.com>:\n552: 1 mailbox not found\n"
    assert words_about(mail(text)) == {"bob@example.com": "552: 1 mailbox not found"}
