"""One message on its way through a session, and what was answered to it so far.

Decides whether a server can be given a message at all, and what the answers to its
envelope mean for it. The order on the wire is `pipeline`'s.
"""

from collections.abc import Iterator
from dataclasses import field
from typing import Generic, TypeVar

from appliance.smtp.client_moves import Verb
from appliance.smtp.grammar import Capabilities, WireContent, is_path
from appliance.smtp.outcome import Obstacle, RefusedRecipient, Rejected, Stage
from appliance.smtp.reply import Reply
from appliance.smtp.trail import Trail
from appliance.value import value

Tag = TypeVar("Tag")


@value
class Transaction(Generic[Tag]):
    """One prepared message on its way to a server; an empty sender is <>.

    `trail` is where it is noted what was said about it.
    """

    tag: Tag
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    trail: Trail = field(default_factory=Trail, repr=False, compare=False)


def objection(
    transaction: Transaction[Tag], content: WireContent, offered: Capabilities
) -> Obstacle | None:
    """Why this server cannot be given this transaction, or None if it can."""
    if not transaction.recipients:
        return Obstacle.NO_RECIPIENT
    addresses = [*transaction.recipients]
    if transaction.sender:
        addresses.append(transaction.sender)
    if not all(map(is_path, addresses)):
        return Obstacle.BAD_ADDRESS
    if needs_utf8(transaction, content) and not offered.smtputf8:
        return Obstacle.NEEDS_SMTPUTF8
    if content.eight_bit and not offered.eight_bit_mime:
        return Obstacle.NEEDS_8BITMIME
    if offered.size and content.size > offered.size:
        return Obstacle.TOO_LARGE
    return None


def needs_utf8(transaction: Transaction[Tag], content: WireContent) -> bool:
    """True if an address or a header is beyond ASCII (RFC 6531 3.2, RFC 6532)."""
    return content.eight_bit_headers or not (
        transaction.sender.isascii() and all(map(str.isascii, transaction.recipients))
    )


class Exchange(Generic[Tag]):
    """One transaction on the wire and what was answered so far.

    `stage` is what the next answer is about. `touched` is true once something was
    answered, and `refusal` there once it is known that it will fail, whatever
    follows. `commands` says those of the envelope, one a step.
    """

    __slots__ = (
        "commands",
        "content",
        "refusal",
        "refused",
        "stage",
        "taken",
        "touched",
        "transaction",
    )

    def __init__(self, transaction: Transaction[Tag], content: WireContent) -> None:
        self.transaction = transaction
        self.content = content
        self.stage = Stage.MAIL
        self.touched = False
        self.taken = 0
        self.refused: list[RefusedRecipient] = []
        self.refusal: Rejected | None = None
        self.commands: Iterator[None] = iter(())

    def take(self, verb: Verb, reply: Reply) -> None:
        """Note the answer to a command of the envelope; RSET's says nothing."""
        if verb is Verb.MAIL:
            self._take_mail(reply)
        elif verb is Verb.RCPT:
            self._take_rcpt(reply)

    def _take_mail(self, reply: Reply) -> None:
        self.touched = True
        self.stage = Stage.RCPT
        if reply.is_refusal:
            self.refusal = Rejected(Stage.MAIL, reply)

    def _take_rcpt(self, reply: Reply) -> None:
        recipients = self.transaction.recipients
        if reply.is_refusal:
            recipient = recipients[self.taken + len(self.refused)]
            self.refused.append(RefusedRecipient(recipient, reply))
        else:
            self.taken += 1
        if self.taken + len(self.refused) == len(recipients):
            self.stage = Stage.DATA
            if not self.taken and self.refusal is None:
                self.refusal = Rejected(Stage.RCPT, self.refused[0].reply)
