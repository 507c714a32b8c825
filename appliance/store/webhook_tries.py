"""What endpoints were told, what waits to be told again, and how they are doing.

All that one pass over an endpoint brought is one transaction: its cursor never says
more than what was taken, or waits. After a crash some of it may be told twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from appliance.core.breaker import HEALTHY, Health
from appliance.core.event import NewEvent
from appliance.core.ids import EventNumber
from appliance.core.webhook import (
    Parcel,
    Request,
    Response,
    Waiting,
    WaitingId,
    WebhookId,
)
from appliance.store.rows import Row, insert_rows
from appliance.store.transaction import Tx, View

MAX_BODY = 4_096  # bytes of a request that are kept for those who ask
KEPT_FAILURES = 1_000  # of each endpoint
_LAST = 2**63 - 1
_encode = msgspec.json.Encoder().encode
_numbers = msgspec.json.Decoder(list[int]).decode
_headers = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class Try:
    """One request and its answer; ``final`` if it failed and no other follows."""

    at_ns: int
    parcel: Parcel
    attempt: int
    request: Request
    response: Response
    final: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """A parcel that failed: a new one, or one that waited; and when it is due."""

    parcel: Parcel
    tries: int
    first_ns: int
    due_ns: int
    id: WaitingId | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """Events that somebody wants to be told again."""

    id: int
    after: int
    upto: int
    everything: bool


@dataclass(slots=True)
class Pass:
    """What one pass over an endpoint brought."""

    webhook: WebhookId
    after: EventNumber
    health: Health = HEALTHY
    in_a_row: int = 0
    disabled_ns: int | None = None
    missed: int = 0
    tries: list[Try] = field(default_factory=list)
    done: list[WaitingId] = field(default_factory=list)
    again: list[Again] = field(default_factory=list)
    replay: tuple[int, int] | None = None  # its id, and the number it got to
    events: list[NewEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do for an endpoint beside reading the log.

    ``due`` are the first few that are; ``waiting`` counts all; ``next_ns`` is when the
    next one is due, None for none.
    """

    due: tuple[Waiting, ...]
    waiting: int
    next_ns: int | None
    replay: Replay | None


@dataclass(frozen=True, slots=True)
class Logged:
    """A try as it is shown."""

    id: int
    good: bool
    at_ns: int
    title: str
    numbers: tuple[int, ...]
    attempt: int
    status: int
    error: str
    took_ms: int
    final: bool
    headers: dict[str, str]
    body: str
    answer: str


def find_work(view: View, webhook: WebhookId, now_ns: int, limit: int) -> Work:
    """What is due, the longest due first."""
    rows = view.db.execute(
        "SELECT id, key, numbers, title, content, tries, first_ns FROM webhook_waiting"
        " WHERE webhook = ? AND due_ns <= ? ORDER BY due_ns, id LIMIT ?",
        (webhook, now_ns, limit),
    ).fetchall()
    count, next_ns = view.db.execute(
        "SELECT count(*), min(due_ns) FROM webhook_waiting WHERE webhook = ?",
        (webhook,),
    ).fetchone()
    return Work(tuple(map(_waiting, rows)), count, next_ns, _replay(view, webhook))


def record_passes(tx: Tx, items: Sequence[Pass], kept: int = 100) -> list[bool]:
    """Write down passes; a batch function. False for an endpoint that is gone.

    Of tries that were taken the newest ``kept`` stay, of those that failed more.
    """
    return [_record(tx, one, kept) for one in items]


def ask_replay(
    tx: Tx, webhook: WebhookId, after: int, upto: int, *, everything: bool
) -> int:
    """The id of a replay that begins when the server comes to it."""
    tx.configuration_changed()
    made = tx.db.execute(
        "INSERT INTO webhook_replay (webhook, after, upto, everything)"
        " VALUES (?, ?, ?, ?)",
        (webhook, after, upto, int(everything)),
    ).lastrowid
    assert made is not None
    return made


def replay_progress(view: View, replay: int) -> int | None:
    """The number that a replay got to; None once it is done."""
    row = view.db.execute(
        "SELECT after FROM webhook_replay WHERE id = ?", (replay,)
    ).fetchone()
    return None if row is None else int(row[0])


def count_waiting(view: View) -> dict[WebhookId, int]:
    """How many requests wait for each endpoint."""
    rows = view.db.execute(
        "SELECT webhook, count(*) FROM webhook_waiting GROUP BY webhook"
    )
    return {WebhookId(id_): count for id_, count in rows}


def list_tries(
    view: View, webhook: WebhookId, *, failed: bool, limit: int
) -> list[Logged]:
    """The newest tries, the newest first."""
    rows = view.db.execute(
        "SELECT id, good, at_ns, title, numbers, attempt, status, error, took_ms,"
        " final, headers, body, answer FROM webhook_try WHERE webhook = ?"
        " AND (good = 0 OR ?) ORDER BY id DESC LIMIT ?",
        (webhook, not failed, limit),
    )
    return [
        Logged(
            id_,
            bool(good),
            at_ns,
            title,
            tuple(_numbers(numbers)),
            attempt,
            status,
            error,
            took_ms,
            bool(final),
            _headers(headers),
            body,
            answer,
        )
        for (
            id_,
            good,
            at_ns,
            title,
            numbers,
            attempt,
            status,
            error,
            took_ms,
            final,
            headers,
            body,
            answer,
        ) in rows
    ]


def told_number(view: View) -> int:
    """The number up to which every endpoint in use has been told."""
    (number,) = view.db.execute(
        "SELECT coalesce(min(after), :last) FROM webhook WHERE enabled = 1",
        {"last": _LAST},
    ).fetchone()
    return int(number)


def _record(tx: Tx, one: Pass, kept: int) -> bool:
    taken = [each for each in one.tries if each.response.good]
    changed = tx.db.execute(
        "UPDATE webhook SET after = max(after, ?), failures = ?, opened_ns = ?,"
        " probe_ns = ?, last_error = ?, last_error_ns = ?, disabled_ns = ?,"
        " in_a_row = ?,"
        " taken_ns = max(taken_ns, ?), taken = taken + ?, refused = refused + ?,"
        " missed = missed + ? WHERE id = ?",
        (
            one.after,
            one.health.failures,
            one.health.opened_ns,
            one.health.probe_ns,
            one.health.last_error,
            one.health.last_error_ns,
            one.disabled_ns,
            one.in_a_row,
            max((each.at_ns for each in taken), default=0),
            len(taken),
            len(one.tries) - len(taken),
            one.missed,
            one.webhook,
        ),
    )
    if not changed.rowcount:
        return False
    _note_waiting(tx, one)
    if one.replay is not None:
        _note_replay(tx, *one.replay)
    _note_tries(tx, one, kept)
    for event in one.events:
        tx.emit(event)
    return True


def _note_waiting(tx: Tx, one: Pass) -> None:
    if one.done:
        ids = _encode(one.done).decode()
        tx.db.execute(
            "DELETE FROM webhook_waiting WHERE id IN (SELECT value FROM json_each(?))",
            (ids,),
        )
    rows: list[Row] = []
    for each in one.again:
        if each.id is not None:
            tx.db.execute(
                "UPDATE webhook_waiting SET tries = ?, due_ns = ? WHERE id = ?",
                (each.tries, each.due_ns, each.id),
            )
            continue
        parcel = each.parcel
        numbers = _encode(parcel.numbers).decode()
        words = (one.webhook, parcel.key, numbers, parcel.title, parcel.content)
        rows.append((*words, each.tries, each.first_ns, each.due_ns))
    insert_rows(
        tx.db,
        "INSERT INTO webhook_waiting (webhook, key, numbers, title, content, tries,"
        " first_ns, due_ns)",
        rows,
    )


def _note_replay(tx: Tx, id_: int, after: int) -> None:
    tx.db.execute("UPDATE webhook_replay SET after = ? WHERE id = ?", (after, id_))
    tx.db.execute("DELETE FROM webhook_replay WHERE id = ? AND after >= upto", (id_,))


def _note_tries(tx: Tx, one: Pass, kept: int) -> None:
    good = [each for each in one.tries if each.response.good]
    bad = [each for each in one.tries if not each.response.good]
    for some, most in ((good, kept), (bad, KEPT_FAILURES)):
        if not some:
            continue
        insert_rows(
            tx.db,
            "INSERT INTO webhook_try (webhook, good, at_ns, title, numbers, attempt,"
            " status, error, took_ms, final, headers, body, answer)",
            [_try_row(one.webhook, each) for each in some[-most:]],
        )
        tx.db.execute(
            "DELETE FROM webhook_try WHERE webhook = :webhook AND good = :good"
            " AND id <= (SELECT id FROM webhook_try WHERE webhook = :webhook"
            "  AND good = :good ORDER BY id DESC LIMIT 1 OFFSET :most)",
            {"webhook": one.webhook, "good": int(some is good), "most": most},
        )


def _try_row(webhook: WebhookId, one: Try) -> Row:
    response, request = one.response, one.request
    return (
        webhook,
        int(response.good),
        one.at_ns,
        one.parcel.title,
        _encode(one.parcel.numbers).decode(),
        one.attempt,
        response.status,
        response.error,
        response.took_ms,
        int(one.final),
        _encode(dict(request.headers)).decode(),
        request.body[:MAX_BODY].decode("utf-8", "replace"),
        response.body.decode("utf-8", "replace"),
    )


def _waiting(row: tuple[int, str, str, str, bytes, int, int]) -> Waiting:
    id_, key, numbers, title, content, tries, first_ns = row
    told = tuple(map(EventNumber, _numbers(numbers)))
    return Waiting(WaitingId(id_), Parcel(key, told, title, content), tries, first_ns)


def _replay(view: View, webhook: WebhookId) -> Replay | None:
    row = view.db.execute(
        "SELECT id, after, upto, everything FROM webhook_replay WHERE webhook = ?"
        " ORDER BY id LIMIT 1",
        (webhook,),
    ).fetchone()
    return None if row is None else Replay(row[0], row[1], row[2], bool(row[3]))
