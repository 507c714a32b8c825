"""What an event says about a delivery, read from the rows while they are there."""

from typing import TypeAlias
from uuid import UUID

from appliance.core.event import About
from appliance.core.ids import SubAccountId
from appliance.store.detail_codec import decode_detail
from appliance.store.transaction import View, in_list, to_uuid

AboutRow: TypeAlias = tuple[bytes, bytes, int, str, str, str, str, bytes]

SELECT = (
    "SELECT d.uuid, m.uuid, d.sub_account, m.sender, d.recipient,"
    " coalesce(pool.name, ''), coalesce(provider.name, ''), m.detail"
    " FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message"
    " LEFT JOIN pool ON pool.id = d.pool"
    " LEFT JOIN provider ON provider.id = d.provider"
)


def to_about(row: AboutRow) -> About:
    """A row of ``SELECT`` in the words of an event."""
    delivery, message, sub_account, sender, recipient, pool, provider, detail = row
    return About(
        SubAccountId(sub_account),
        to_uuid(message),
        to_uuid(delivery),
        sender,
        recipient,
        pool,
        provider,
        decode_detail(detail).dimensions,
    )


def about_deliveries(view: View, uuids: list[bytes]) -> dict[UUID, About]:
    """Those of the deliveries that are known; ``uuids`` must not be empty."""
    rows = view.db.execute(*in_list(f"{SELECT} WHERE d.uuid IN (:values)", uuids))
    return {about.delivery: about for about in map(to_about, rows)}
