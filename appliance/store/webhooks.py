"""Endpoints that are told of events; their secrets are sealed.

How they are doing is written by `webhook_tries.py` with what was tried.
"""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from appliance.core.breaker import Health
from appliance.core.ids import AccountId, EventNumber, SubAccountId, uuid7
from appliance.core.webhook import (
    PER_MESSAGE,
    Endpoint,
    NewEndpoint,
    Secret,
    WebhookId,
    make_secret,
)
from appliance.store.events import last_number
from appliance.store.transaction import Tx, View, to_uuid

MAX_PER_MESSAGE = 100  # endpoints that messages of one sub-account named
_IDLE_NS = 30 * 86_400 * 10**9  # after which one of those is forgotten
_words = msgspec.json.Decoder(list[str]).decode
_COLUMNS = (
    "id, uuid, account, sub_account, dialect, url, name, wanted, form, enabled,"
    " secret_sealed, old_secret_sealed, old_until_ns, after, failures, opened_ns,"
    " probe_ns, last_error, last_error_ns, disabled_ns, taken_ns, missed, created_ns,"
    " changed_ns, in_a_row"
)


def add_endpoint(tx: Tx, new: NewEndpoint, secret: str) -> Endpoint | None:
    """The endpoint as stored, or None if the account has one of that URL and dialect.

    It is told what happens from now on.
    """
    if _is_taken(tx, new, None):
        return None
    return _insert(tx, new, secret, last_number(tx), time.time_ns())


def update_endpoint(tx: Tx, id_: WebhookId, new: NewEndpoint) -> Endpoint | None:
    """The endpoint with its settings replaced.

    None if it is not there, or another one has that URL. One that was paused learns
    nothing of what happened meanwhile. One that was given up, or failed, and is
    enabled is tried again at once, from where it stood.
    """
    old = get_endpoint(tx, id_)
    if old is None or _is_taken(tx, new, id_):
        return None
    if new.enabled and not old.enabled:
        # Others may be in between in this very transaction: they are not news yet.
        _jump(tx, id_, last_number(tx))
    if new.enabled:
        _make_well(tx, id_)
    tx.configuration_changed()
    tx.db.execute(
        "UPDATE webhook SET sub_account = ?, dialect = ?, url = ?, name = ?,"
        " wanted = ?, form = ?, enabled = ?, changed_ns = ? WHERE id = ?",
        (*_settings(new)[1:], time.time_ns(), id_),
    )
    return get_endpoint(tx, id_)


def rotate_secret(tx: Tx, id_: WebhookId, secret: str, until_ns: int) -> bool:
    """True if the endpoint is there; requests are signed with both for a while."""
    old = get_endpoint(tx, id_)
    if old is None:
        return False
    tx.configuration_changed()
    tx.db.execute(
        "UPDATE webhook SET old_secret_sealed = secret_sealed, old_until_ns = ?,"
        " secret_sealed = ?, changed_ns = ? WHERE id = ?",
        (until_ns, _seal(tx, old.uuid, secret), time.time_ns(), id_),
    )
    return True


def remove_endpoint(tx: Tx, id_: WebhookId) -> bool:
    """True if it was there; what waited for it is gone too."""
    tx.configuration_changed()
    gone = tx.db.execute("DELETE FROM webhook WHERE id = ?", (id_,))
    return gone.rowcount == 1


def get_endpoint(view: View, id_: WebhookId) -> Endpoint | None:
    """The endpoint of that id."""
    return next(iter(_load(view, id_)), None)


def list_endpoints(view: View) -> list[Endpoint]:
    """All endpoints, oldest first; those that messages named too."""
    return _load(view, None)


def success_rates(view: View) -> dict[WebhookId, float]:
    """Of all tries so far, how many in a hundred were taken."""
    rows = view.db.execute(
        "SELECT id, taken, refused FROM webhook WHERE taken + refused > 0"
    )
    return {
        WebhookId(id_): round(100 * taken / (taken + refused), 2)
        for id_, taken, refused in rows
    }


def ensure_per_message(tx: Tx, named: Mapping[tuple[SubAccountId, str], int]) -> None:
    """See that there is an endpoint for each URL that a message named.

    Of each it is said when it was named. There are only so many; messages that name
    more are told to the account's own.
    """
    for (sub_account, url), now_ns in named.items():
        if _find_per_message(tx, sub_account, url) or not _room_for_one(
            tx, sub_account, now_ns
        ):
            continue
        (account,) = tx.db.execute(
            "SELECT account FROM sub_account WHERE id = ?", (sub_account,)
        ).fetchone()
        new = NewEndpoint(account, sub_account, PER_MESSAGE, url, frozenset())
        _insert(tx, new, make_secret(), last_number(tx), now_ns)


def _find_per_message(view: View, sub_account: SubAccountId, url: str) -> bool:
    row = view.db.execute(
        "SELECT 1 FROM webhook WHERE dialect = '' AND sub_account = ? AND url = ?",
        (sub_account, url),
    ).fetchone()
    return row is not None


def _room_for_one(tx: Tx, sub_account: SubAccountId, now_ns: int) -> bool:
    """True if there is room, made by forgetting who was told nothing for long."""
    (count,) = tx.db.execute(
        "SELECT count(*) FROM webhook WHERE dialect = '' AND sub_account = ?",
        (sub_account,),
    ).fetchone()
    if count < MAX_PER_MESSAGE:
        return True
    gone = tx.db.execute(
        "DELETE FROM webhook WHERE dialect = '' AND sub_account = :owner"
        " AND created_ns < :old AND taken_ns < :old AND last_error_ns < :old",
        {"owner": sub_account, "old": now_ns - _IDLE_NS},
    )
    return gone.rowcount > 0


def _insert(tx: Tx, new: NewEndpoint, secret: str, after: int, now_ns: int) -> Endpoint:
    tx.configuration_changed()
    uuid = uuid7()
    id_ = tx.db.execute(
        "INSERT INTO webhook (account, sub_account, dialect, url, name, wanted, form,"
        " enabled, uuid, secret_sealed, after, created_ns, changed_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *_settings(new),
            uuid.bytes,
            _seal(tx, uuid, secret) if secret else None,
            after,
            now_ns,
            now_ns,
        ),
    ).lastrowid
    assert id_ is not None
    made = get_endpoint(tx, WebhookId(id_))
    assert made is not None
    return made


def _settings(new: NewEndpoint) -> tuple[str | int | None, ...]:
    return (
        new.account,
        new.sub_account,
        new.dialect,
        new.url,
        new.name,
        msgspec.json.encode(sorted(new.wanted)).decode(),
        new.form,
        int(new.enabled),
    )


def _is_taken(view: View, new: NewEndpoint, by_other_than: WebhookId | None) -> bool:
    row = view.db.execute(
        "SELECT id FROM webhook WHERE account = ? AND dialect = ? AND url = ?"
        " AND sub_account IS ? AND id IS NOT ?",
        (new.account, new.dialect, new.url, new.sub_account, by_other_than),
    ).fetchone()
    return row is not None


def _jump(tx: Tx, id_: WebhookId, after: int) -> None:
    tx.db.execute("UPDATE webhook SET after = ? WHERE id = ?", (after, id_))
    tx.db.execute("DELETE FROM webhook_waiting WHERE webhook = ?", (id_,))


def _make_well(tx: Tx, id_: WebhookId) -> None:
    tx.db.execute(
        "UPDATE webhook SET failures = 0, opened_ns = NULL, probe_ns = NULL,"
        " disabled_ns = NULL, in_a_row = 0 WHERE id = ?",
        (id_,),
    )


def _load(view: View, only: WebhookId | None) -> list[Endpoint]:
    rows = view.db.execute(
        f"SELECT {_COLUMNS} FROM webhook"  # noqa: S608 - our own text
        " WHERE :only IS NULL OR id = :only ORDER BY id",
        {"only": only},
    )
    return [_endpoint(view, row) for row in rows]


def _endpoint(view: View, row: tuple[Any, ...]) -> Endpoint:
    uuid = to_uuid(row[1])
    return Endpoint(
        id=WebhookId(row[0]),
        uuid=uuid,
        account=AccountId(row[2]),
        sub_account=None if row[3] is None else SubAccountId(row[3]),
        dialect=row[4],
        url=row[5],
        name=row[6],
        wanted=frozenset(_words(row[7])),
        form=row[8],
        enabled=bool(row[9]),
        secrets=_secrets(view, uuid, *row[10:13]),
        after=EventNumber(row[13]),
        health=Health(*row[14:19]),
        disabled_ns=row[19],
        taken_ns=row[20],
        missed=row[21],
        created_ns=row[22],
        changed_ns=row[23],
        in_a_row=row[24],
    )


def _secrets(
    view: View, uuid: UUID, new: bytes | None, old: bytes | None, until_ns: int | None
) -> tuple[Secret, ...]:
    found = []
    for sealed, until in ((new, None), (old, until_ns)):
        if sealed is not None:
            text = view.sealer.open(sealed, _purpose(uuid)).decode()
            found.append(Secret(text, until))
    return tuple(found)


def _seal(tx: Tx, uuid: UUID, secret: str) -> bytes:
    return tx.sealer.seal(secret.encode(), _purpose(uuid))


def _purpose(endpoint: UUID) -> str:
    return f"webhook {endpoint}"
