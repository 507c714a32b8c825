import pytest

from appliance.mime.dsn import merge, read_status, recipients_in
from appliance.mime.pieces import read_mail
from appliance.mime.returned import Action, Failed

BOB = "Final-Recipient: rfc822; bob@example.com\n"


def one(block: str) -> Failed:
    """What a block says of its only recipient."""
    (found,) = recipients_in(block)
    return found


def test_all_that_a_block_tells_is_read() -> None:
    """RFC 3464 2.3, folded as it may be."""
    block = (
        "Original-Recipient: rfc822;\n alias@example.com\n"
        + BOB
        + "Action: failed\nStatus: 5.1.1 (bad)\nRemote-MTA: dns; mx.example.com\n"
        "Diagnostic-Code: smtp; 550 5.1.1\n  User\n\tunknown\n"
        "Last-Attempt-Date: Tue, 12 May 2026 08:02:11 +0000\n"
    )
    assert one(block) == Failed(
        address="bob@example.com",
        action=Action.FAILED,
        original="alias@example.com",
        status="5.1.1",
        code=550,
        diagnostic="550 5.1.1 User unknown",
        remote_mta="mx.example.com",
        at_s=1778572931,
    )


@pytest.mark.parametrize(
    ("word", "status", "action"),
    [
        ("failed", "5.1.1", Action.FAILED),
        ("Failed (user unknown)", "", Action.FAILED),
        ("failure", "4.4.7", Action.FAILED),
        ("expired", "4.4.7", Action.FAILED),
        ("delayed", "4.4.1", Action.DELAYED),
        ("DELAYED", "5.1.1", Action.DELAYED),
        ("delivered", "2.0.0", Action.DELIVERED),
        ("deliverable", "2.0.0", Action.DELIVERED),
        ("relayed", "2.0.0", Action.RELAYED),
        ("expanded", "2.0.0", Action.EXPANDED),
        ("", "5.1.1", Action.FAILED),
        ("", "4.2.2", Action.DELAYED),
        ("", "2.1.5", Action.DELIVERED),
        ("whatever", "5.1.1", Action.FAILED),
    ],
)
def test_the_action_is_the_word_or_else_the_status(
    word: str, status: str, action: Action
) -> None:
    """A delayed report is no bounce, whatever its numbers say."""
    assert one(f"{BOB}Action: {word}\nStatus: {status}\n").action is action


@pytest.mark.parametrize("block", [BOB, f"{BOB}Action: perhaps\n", "Action: failed\n"])
def test_a_block_that_says_nothing_of_anybody_is_none(block: str) -> None:
    """Doubt bounces nobody."""
    assert list(recipients_in(f"Reporting-MTA: dns; x.example\n\n{block}")) == []


@pytest.mark.parametrize(
    ("field", "code"), [("550", 550), ("550 5.1.1", 550), ("5501", 0), ("5.5.0", 0)]
)
def test_a_code_in_place_of_a_status_is_a_code(field: str, code: int) -> None:
    """As Zoho and others write it."""
    assert one(f"{BOB}Action: failed\nStatus: {field}\n").code == code


def test_a_name_that_cannot_be_read_leaves_the_other() -> None:
    """The original recipient is whom the mail was for."""
    block = (
        "Final-Recipient: x400; /C=us/\nOriginal-Recipient: rfc822;bob@example.com\n"
    )
    assert one(f"{block}Action: failed\n").address == "bob@example.com"
    assert one("Final-Recipient: X; |pipe\nAction: failed\n").address == ""


def test_a_field_that_comes_again_begins_the_next_recipient() -> None:
    """Some forget the blank lines between them."""
    block = (
        f"Reporting-MTA: dns; x\n{BOB}Action: failed\n"
        "Final-Recipient: rfc822; eve@example.com\nAction: delayed\n"
    )
    assert [(one.address, one.action) for one in recipients_in(block)] == [
        ("bob@example.com", Action.FAILED),
        ("eve@example.com", Action.DELAYED),
    ]


def test_a_failure_overrules_what_was_said_before_of_the_same() -> None:
    """And nothing overrules a failure."""
    bob = "bob@example.com"
    delayed, failed = Failed(bob, Action.DELAYED), Failed(bob, Action.FAILED)
    assert merge([delayed, failed]) == merge([failed, delayed]) == (failed,)
    forwarded = Failed(bob, Action.FAILED, original="eve@example.com")
    assert merge([failed, forwarded]) == (failed, forwarded)


def test_only_the_first_reports_of_a_mail_are_read() -> None:
    """ATTACKS 24: one mail has one report; a hundred of them are work for nothing."""
    part = (
        "--b\nContent-Type: message/delivery-status\n\n"
        "Final-Recipient: rfc822; u{}@example.com\nAction: failed\n"
    )
    parts = "".join(part.format(number) for number in range(50))
    data = f"Content-Type: multipart/report; boundary=b\n\n{parts}".encode()
    assert len(read_status(read_mail(data))) == 3
