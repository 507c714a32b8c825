"""A mail at the end of its way, held against what a client put on the wire.

What may differ is what the page "Mail by SMTP" lists, and nothing else.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.postfix import Delivered, PostfixServer
from tests.fakes.programs import wait_until
from tests.integration.house import DOMAIN
from tests.integration.verifiers import Verdict, Verifiers

_FIELD = re.compile(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*")
_NAME = re.compile(rb"[!-9;-~]+")

# Put in front by the last Postfix and its Maildir, and then by Postroom.
OF_POSTFIX = ("return-path", "x-original-to", "delivered-to", "received")
_OF_POSTROOM = (
    "dkim-signature",
    "dkim-signature",
    "x-sendpost-account-id",
    "x-sendpost-subaccount-id",
    "x-sendpost-tpsp-id",
    "x-sendpost-tpsp-type",
    "x-sendpost-message-uuid",
    "received",
)
_ADDED_IF_MISSING = {
    "date": re.compile(rb"Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r\n"),
    "message-id": re.compile(rb"Message-ID: <[0-9a-f-]{36}@%b>\r\n" % DOMAIN.encode()),
}


@dataclass(frozen=True, slots=True)
class Parted:
    """A mail as its fields, each with its folds and line end, and its body."""

    fields: tuple[bytes, ...]
    body: bytes

    def named(self, name: str) -> list[bytes]:
        """The fields of that name."""
        return [one for one in self.fields if name_of(one) == name.lower()]


def arrived(end: PostfixServer, *recipients: str) -> dict[str, Delivered]:
    """The mails for these recipients, who are one test's own, once all are there."""
    wanted = set(recipients)

    def found() -> list[Delivered]:
        return [one for one in end.messages() if one.recipient in wanted]

    wait_until(lambda: len(found()) >= len(wanted), 30, f"mail to {wanted}")
    mails = found()
    assert len(mails) == len(wanted)
    return {one.recipient: one for one in mails}


def part(mail: bytes) -> Parted:
    """Take a mail apart; joined again it is the same bytes."""
    head, empty, body = mail.partition(b"\r\n\r\n")
    assert empty, mail[:200]
    fields = tuple(_FIELD.findall(head + b"\r\n"))
    assert b"".join(fields) == head + b"\r\n"
    return Parted(fields, body)


def name_of(field: bytes) -> str:
    """The name of a field in lower case."""
    match = _NAME.match(field)
    assert match is not None, field
    return match[0].decode().lower()


def dropped_from_all(name: str) -> bool:
    """True for the fields that no mail leaves with."""
    return name in {"bcc", "resent-bcc", "return-path"} or name.startswith(
        ("x-postroom-", "x-sendpost-")
    )


def dropped_from_anypost(name: str) -> bool:
    """The same for mail of an `anypost` login."""
    return (
        dropped_from_all(name) or name.startswith("x-anypost-") or name == "x-campaign"
    )


def assert_as_sent(
    sent: bytes,
    one: Delivered,
    dropped: Callable[[str], bool] = dropped_from_all,
    *,
    same_body: bool = True,
) -> None:
    """It arrived as it was sent but for the documented fields, byte for byte."""
    before, after = part(sent), part(one.wire)
    kept = [field for field in before.fields if not dropped(name_of(field))]
    names = {name_of(field) for field in kept}
    added = [name for name in _ADDED_IF_MISSING if name not in names]
    front = len(after.fields) - len(kept) - len(added)
    assert list(after.fields[front : front + len(kept)]) == kept
    for name, field in zip(added, after.fields[front + len(kept) :], strict=True):
        assert _ADDED_IF_MISSING[name].fullmatch(field), field
    in_front = [name_of(field) for field in after.fields[:front]]
    assert tuple(in_front[: len(OF_POSTFIX)]) == OF_POSTFIX
    assert Counter(in_front[len(OF_POSTFIX) :]) == Counter(_OF_POSTROOM)
    assert in_front[len(OF_POSTFIX) :][-1] == "received"
    if same_body:
        assert after.body == before.body


def assert_signed(one: Delivered, verifiers: Verifiers) -> None:
    """Both signatures of ours hold, whoever judges them."""
    ours = Verdict("pass", "rsa-sha256", DOMAIN, "sp-dkim")
    verdicts = verifiers.opendkim(one.wire)
    assert ours in verdicts
    assert ("pass", "ed25519-sha256") in {(v.result, v.algorithm) for v in verdicts}
    assert {v.result for v in verdicts} == {"pass"}
    assert ours in verifiers.mail_dkim(one.wire)
    assert all(verifiers.dkimpy(one.wire))
