"""What is due in one queue, read from its front or round its sub-accounts.

If all that is due may go, it comes as it is. If there is more, each of the next few
sub-accounts that have something due gets a part, so that one that has very much delays
the others by its part only. A look at the round costs a few leaps over the index for
each sub-account, and it looks at so many at most, whatever waits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, zip_longest
from uuid import UUID

import msgspec

from appliance.core.address import Address
from appliance.core.delivery import Copy
from appliance.core.ids import (
    ContentId,
    DeliveryId,
    DomainId,
    MessageId,
    PoolId,
    ProviderId,
    SubAccountId,
)
from appliance.store.detail_codec import decode_detail, decode_fields
from appliance.store.standing import Queue
from appliance.store.transaction import View

ROUND = 32  # sub-accounts that are looked at in one claim
# What one has due counts up to this before the look goes on to the next. Each
# sub-account's mail stands on a page of its own once much waits: two mails of each of
# five are half as many pages to write as one of each of ten.
PART = 2

_COLUMNS = (
    "SELECT json_group_array(json_array(id, hex(uuid), message, hex(message_uuid),"
    " sub_account, domain, content, pool, sender, recipient, hex(fields),"
    " hex(detail), accepted_ns, attempts, size_bytes, due_ns)) FROM ("
    "SELECT d.id, d.uuid, d.message, m.uuid AS message_uuid, d.sub_account, d.domain,"
    " m.content, d.pool, m.sender, d.recipient, d.fields, m.detail, m.accepted_ns,"
    " d.attempts, m.size_bytes, d.due_ns"
)
# CROSS JOIN keeps the order of the tables: first the index of what is due in one
# queue, read from its front, then one message by its row id for each. All rows
# come as one, in one step of the statement: see rows.py.
FRONT = (
    _COLUMNS + " FROM delivery AS d INDEXED BY delivery_due"
    " CROSS JOIN message AS m ON m.id = d.message"
    " WHERE d.provider IS ? AND d.queue = ? AND d.due_ns <= ?"
    " AND d.due_ns IS NOT NULL AND d.state = 0"
    " ORDER BY d.due_ns LIMIT ?)"
)
# The next sub-account that has mail in a queue, times four, and how much of it is due,
# as far as a claim takes of one before it looks at others.
_NEXT = (
    "(SELECT first.sub_account << 2 | (SELECT count(*) FROM (SELECT 1 FROM delivery"
    " INDEXED BY delivery_turn WHERE provider IS :provider AND queue = :queue"
    " AND sub_account = first.sub_account AND due_ns <= :now"
    " AND due_ns IS NOT NULL AND state = 0 LIMIT :each))"
    " FROM delivery AS first INDEXED BY delivery_turn"
    " WHERE provider IS :provider AND queue = :queue AND sub_account > :after"
    " AND due_ns IS NOT NULL AND state = 0 ORDER BY sub_account LIMIT 1)"
)
# The sub-accounts that have mail in a queue, each with how much is due, until that is
# enough; ``before`` counts what is due to those in front.
TURNS = (
    "WITH RECURSIVE turn(code, before) AS (SELECT " + _NEXT + ", 0 UNION ALL SELECT "  # noqa: S608 - our own text
    + _NEXT.replace(":after", "(code >> 2)") + ", before + (code & 3)"
    " FROM turn WHERE code IS NOT NULL AND before + (code & 3) < :enough LIMIT :most)"
    " SELECT json_group_array(json_array(code >> 2, code & 3))"
    " FROM turn WHERE code IS NOT NULL"
)  # fmt: skip
PARTS = (
    _COLUMNS + " FROM json_each(:tenants) AS tenant"  # noqa: S608 - our own text
    " CROSS JOIN delivery AS d ON d.id IN (SELECT id FROM delivery"
    "  INDEXED BY delivery_turn WHERE provider IS :provider AND queue = :queue"
    "  AND sub_account = tenant.value AND due_ns <= :now AND due_ns IS NOT NULL"
    "  AND state = 0 ORDER BY due_ns LIMIT :part)"
    " CROSS JOIN message AS m ON m.id = d.message)"
)


class DueRow(msgspec.Struct, array_like=True, frozen=True):
    """A delivery that is due, with what a claim has to know of it."""

    id: int
    uuid: str
    message: int
    message_uuid: str
    sub_account: int
    domain: int
    content: int
    pool: int
    sender: str
    recipient: str
    fields: str
    detail: str
    accepted_ns: int
    attempts: int
    size_bytes: int
    due_ns: int

    @property
    def recipient_domain(self) -> str:
        """Where it goes."""
        return self.recipient.rpartition("@")[2]

    @property
    def sender_domain(self) -> str:
        """Where it comes from."""
        return self.sender.rpartition("@")[2].lower()


_rows = msgspec.json.Decoder(list[DueRow]).decode
_turns = msgspec.json.Decoder(list[tuple[int, int]]).decode


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many more each sub-account may get of a provider."""

    default: int
    of: Mapping[int, int] = field(default_factory=dict)

    @property
    def least(self) -> int:
        """How many anybody may get for sure."""
        return min(self.default, *self.of.values()) if self.of else self.default

    def short_of(self, part: int) -> int:
        """How many are missing, all told, where some may not get so many."""
        return sum(max(0, part - more) for more in self.of.values())

    def get(self, tenant: int) -> int:
        """How many this one may get."""
        return self.of.get(tenant, self.default)


NO_BOUNDS = Allowance(1 << 62)


@dataclass(slots=True)
class Rounds:
    """Where the round of each queue stands, and how the last claim left things.

    Memory of the one that claims: nothing is lost with it. ``more`` is true if
    another claim may find what the last one did not come to; ``wake_ns`` is when a
    token comes for mail that waits for one, None if none does.
    """

    more: bool = False
    wake_ns: int | None = None
    claims: int = 0
    fruitless: int = 0
    after: dict[tuple[int | None, int], int] = field(default_factory=dict)

    def order(self, queues: Sequence[Queue]) -> list[Queue]:
        """The queues in which something is due; another one is first each time."""
        self.claims += 1
        due = [one for one in queues if one.due]
        first = self.claims % len(due) if due else 0
        return due[first:] + due[:first]


def read_front(view: View, queue: Queue, now_ns: int, limit: int) -> list[DueRow]:
    """The longest due of a queue."""
    if not limit:
        return []
    values = (queue.provider, queue.number, now_ns, limit)
    (found,) = view.db.execute(FRONT, values).fetchone()
    return _rows(found)


def read_round(
    view: View,
    queue: Queue,
    now_ns: int,
    limit: int,
    *,
    rounds: Rounds,
    allowance: Allowance,
    thorough: bool = False,
) -> tuple[list[DueRow], bool]:
    """At most ``limit`` due rows, one of each sub-account in turn.

    True comes with them if so many sub-accounts were looked at that there may be
    more. The look ends where there are rows enough, unless it is ``thorough``: for
    rows that may all be of no use.
    """
    each = max(1, min(PART, allowance.default))
    turns = _look_round(
        view,
        queue,
        now_ns,
        after=rounds.after.get(queue.key, -1),
        each=each,
        enough=ROUND * each if thorough else limit + allowance.short_of(each),
    )
    due = [one for one, number in turns if number and allowance.get(one)][:limit]
    rows: list[DueRow] = []
    if due:
        part = min(-(-limit // len(due)), max(map(allowance.get, due)))
        rows = _read_parts(view, queue, now_ns, due, part)
        rows = _in_turn(rows, due, allowance)[:limit]
    if rows or turns:
        rounds.after[queue.key] = rows[-1].sub_account if rows else turns[-1][0]
    return rows, len(turns) >= ROUND


def _look_round(
    view: View, queue: Queue, now_ns: int, *, after: int, each: int, enough: int
) -> list[tuple[int, int]]:
    """The next sub-accounts behind ``after`` and from the beginning again.

    Each with how much of its mail is due, counted up to ``each``, until that is
    ``enough``.
    """
    values = {
        "provider": queue.provider,
        "queue": queue.number,
        "now": now_ns,
        "after": after,
        "each": each,
        "enough": enough,
        "most": ROUND,
    }
    (found,) = view.db.execute(TURNS, values).fetchone()
    turns = _turns(found)
    missing = enough - sum(number for _, number in turns)
    if after >= 0 and missing > 0 and len(turns) < ROUND:
        values |= {"after": -1, "enough": missing, "most": ROUND - len(turns)}
        (found,) = view.db.execute(TURNS, values).fetchone()
        turns += [turn for turn in _turns(found) if turn[0] <= after]
    return turns


def _read_parts(
    view: View,
    queue: Queue,
    now_ns: int,
    due: Sequence[int],
    part: int,
) -> list[DueRow]:
    values = {
        "provider": queue.provider,
        "queue": queue.number,
        "now": now_ns,
        "part": part,
        "tenants": msgspec.json.encode(due).decode(),
    }
    (found,) = view.db.execute(PARTS, values).fetchone()
    return _rows(found)


def _in_turn(
    rows: Sequence[DueRow], due: Sequence[int], allowance: Allowance
) -> list[DueRow]:
    """The first of each sub-account, then the second of each, and so on."""
    # SQLite may give a sub-account's rows in the order of their ids.
    place = {one: position for position, one in enumerate(due)}
    rows = sorted(rows, key=lambda row: (place[row.sub_account], row.due_ns))
    parts = [
        list(group)[: allowance.get(tenant)]
        for tenant, group in groupby(rows, lambda row: row.sub_account)
    ]
    taken = chain.from_iterable(zip_longest(*parts))
    return [row for row in taken if row is not None]


def copy_of(row: DueRow, provider: ProviderId) -> Copy:
    """The row as the one who makes its bytes wants it."""
    detail = decode_detail(bytes.fromhex(row.detail))
    local, _, domain = row.recipient.rpartition("@")
    return Copy(
        id=DeliveryId(row.id),
        uuid=UUID(row.uuid),
        message=MessageId(row.message),
        message_uuid=UUID(row.message_uuid),
        sub_account=SubAccountId(row.sub_account),
        domain=DomainId(row.domain),
        content=ContentId(row.content),
        pool=PoolId(row.pool),
        provider=provider,
        sender=row.sender,
        recipient=Address(local, domain),
        fields=decode_fields(bytes.fromhex(row.fields) or None),
        to=detail.to,
        cc=detail.cc,
        tracking=detail.tracking,
        dimensions=detail.dimensions,
        submitted_ns=row.accepted_ns,
        attempts=row.attempts,
        size_bytes=row.size_bytes,
    )
