"""The books after a campaign: what was promised, what is recorded, what arrived."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

PROCESSED, SENT, DROPPED, IN_DOUBT = 58, 59, 62, 69
_EVENTS = "SELECT number, type, delivery, recipient, data FROM event ORDER BY number"
_QUEUE = "SELECT uuid, recipient, state FROM delivery"
SENT_STATE = 2


@dataclass
class Books:
    """What the database says, by the UUID of the delivery."""

    processed: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)  # that arose
    settled: Counter[str] = field(default_factory=Counter)  # doubts, by policy
    recipients: dict[str, str] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    integrity: str = ""

    @classmethod
    def read(cls, database: Path) -> "Books":
        """The books of a server that has ended."""
        books = cls()
        with closing(sqlite3.connect(database)) as db:
            for _, kind, delivery, recipient, data in db.execute(_EVENTS):
                if not any(delivery):
                    continue  # about an upstream, not about mail
                books._note(kind, str(UUID(bytes=delivery)), recipient, data)
            for uuid, recipient, state in db.execute(_QUEUE):
                books.states[str(UUID(bytes=uuid))] = state
                books.recipients.setdefault(str(UUID(bytes=uuid)), recipient)
            (books.integrity,) = db.execute("PRAGMA integrity_check").fetchone()
        return books

    def _note(self, kind: int, delivery: str, recipient: str, data: str) -> None:
        self.recipients.setdefault(delivery, recipient)
        if kind == PROCESSED:
            self.processed[delivery] += 1
        elif kind == SENT:
            self.sent[delivery] += 1
        elif kind == DROPPED:
            self.dropped[delivery] += 1
        elif kind == IN_DOUBT and '"policy"' in data:
            self.settled[delivery] += 1
        elif kind == IN_DOUBT:
            self.doubts[delivery] += 1


@dataclass(frozen=True, slots=True)
class Account:
    """What clients and upstream have to say for themselves."""

    accepted: frozenset[str]  # recipients with a 200 or a 250
    taken: Counter[str]
    answered: Counter[str]


def faults(books: Books, account: Account) -> Iterator[str]:
    """Every promise that was broken, one sentence each."""
    if books.integrity != "ok":
        yield f"the database is broken: {books.integrity}"
    known = set(books.recipients.values())
    if len(known) != len(books.recipients):
        yield "a recipient has two deliveries"
    for recipient in account.accepted - known:
        yield f"{recipient}: accepted, and nothing is known of it"
    for delivery, recipient in books.recipients.items():
        yield from (
            f"{recipient} ({delivery}): {what}"
            for what in _faults_of(delivery, books, account)
        )
    for delivery in account.taken.keys() - books.recipients.keys():
        yield f"{delivery}: at the upstream, and nothing is known of it"


def _faults_of(delivery: str, books: Books, account: Account) -> Iterator[str]:
    sent, taken = books.sent[delivery], account.taken[delivery]
    doubts = books.doubts[delivery]
    if books.processed[delivery] != 1:
        yield f"{books.processed[delivery]} processed events"
    if sent + books.dropped[delivery] != 1:
        yield f"{sent} sent and {books.dropped[delivery]} dropped events"
    if sent and not account.answered[delivery]:
        yield "sent, and the upstream gave no 2xx"
    if not taken:
        yield "lost: it never reached the upstream"
    if taken > 1 + doubts:
        yield f"{taken} copies at the upstream for {doubts} doubts"
    if bool(sent) != (books.states[delivery] == SENT_STATE):
        yield f"state {books.states[delivery]} with {sent} sent events"
