"""Each try of each delivery: written with its settlement, gone with its delivery."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from appliance.core.attempt import Attempt, Ending, NewAttempt
from appliance.core.ids import DeliveryId, ProviderId
from appliance.store.attempt_codec import decode_trail
from appliance.store.rows import insert_rows
from appliance.store.transaction import Tx, View

# An upstream that is down for a month is tried some thousand times.
MAX_KEPT = 100

_Row: TypeAlias = tuple[int, int, int, str, str, int, str, bytes]


def add_attempts(tx: Tx, tries: Sequence[tuple[DeliveryId, NewAttempt]]) -> None:
    """Record tries.

    Those that do not count have no bound of their own, so of a delivery that has
    them only the last ``MAX_KEPT`` tries are kept.
    """
    insert_rows(
        tx.db,
        "INSERT INTO attempt (delivery, provider, began_ns, ended_ns, ending, stage,"
        " code, text, detail)",
        [
            (
                delivery,
                one.provider,
                one.began_ns,
                one.ended_ns,
                one.ending.value,
                one.stage,
                one.code,
                one.text,
                one.detail,
            )
            for delivery, one in tries
        ],
    )
    repeated = [delivery for delivery, one in tries if one.ending is Ending.NOT_REACHED]
    if repeated:
        tx.db.execute(
            "DELETE FROM attempt WHERE delivery IN (SELECT value FROM json_each(?))"
            " AND id <= (SELECT id FROM attempt AS other"
            " WHERE other.delivery = attempt.delivery ORDER BY id DESC"
            " LIMIT 1 OFFSET ?)",
            (msgspec.json.encode(repeated).decode(), MAX_KEPT),
        )


def list_attempts(view: View, delivery: DeliveryId) -> list[Attempt]:
    """All tries of a delivery that are remembered, the first one first."""
    return [
        _attempt(number, row)
        for number, row in enumerate(
            view.db.execute(
                "SELECT provider, began_ns, ended_ns, ending, stage, code, text,"
                " detail FROM attempt WHERE delivery = ? ORDER BY id",
                (delivery,),
            ),
            1,
        )
    ]


def _attempt(number: int, row: _Row) -> Attempt:
    provider, began_ns, ended_ns, ending, stage, code, text, data = row
    detail = decode_trail(data)
    return Attempt(
        number=number,
        provider=ProviderId(provider),
        began_ns=began_ns,
        ended_ns=ended_ns,
        ending=Ending(ending),
        stage=stage,
        code=code,
        text=text,
        connection=detail.connection,
        dialogue=detail.dialogue,
        envelope_s=detail.envelope_s,
        answer_s=detail.answer_s,
    )
