"""Gives tokens back that were taken for mail which then did not go.

An upstream that is down for an hour must not use up the hour's tokens. What a crash
leaves in flight keeps its tokens: nobody knows how much of it went.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from appliance.core.throttle import Fare
from appliance.store.limits import CLASS, DOMAIN, OVERALL
from appliance.store.rows import Row, update_rows
from appliance.store.throttle import THROTTLE, ThrottleRow
from appliance.store.transaction import Tx

_OF = (
    "SELECT json_group_array(" + THROTTLE + ") FROM throttle AS t"  # noqa: S608 - our own text
    " WHERE t.provider IN (SELECT value FROM json_each(?))"
)
_rows = msgspec.json.Decoder(list[ThrottleRow]).decode


def give_back(tx: Tx, fares: Sequence[Fare]) -> None:
    """Give the tokens of these back, to the buckets that they came from."""
    if not fares:
        return
    tokens: Counter[tuple[int, str, str]] = Counter()
    for fare in fares:
        tokens[fare.provider, OVERALL, ""] += 1
        tokens[fare.provider, CLASS, fare.recipient_class.value] += 1
        tokens[fare.provider, DOMAIN, fare.domain] += 1
    providers = sorted({fare.provider for fare in fares})
    (found,) = tx.db.execute(_OF, (msgspec.json.encode(providers).decode(),)).fetchone()
    update_rows(
        tx.db,
        "UPDATE throttle SET hour_left = new.column2, second_left = new.column3 {}"
        " WHERE throttle.id = new.column1",
        [
            _refilled(row, number)
            for row in _rows(found)
            if (number := tokens[row.provider, row.scope, row.key])
        ],
    )


def _refilled(row: ThrottleRow, tokens: int) -> Row:
    """As it was when it was last looked at, and these on top."""
    bucket = row.bucket(row.at_us).less(row.limit, -tokens)
    bucket = bucket.filled(row.limit, row.at_us)
    return row.id, bucket.hour.left, bucket.second.left
