"""What an event says about a delivery, read from the rows while they are there."""

from typing import TypeAlias
from uuid import UUID

from appliance.core.event import About
from appliance.core.ids import SubAccountId
from appliance.store.detail_codec import decode_dimensions
from appliance.store.transaction import View, in_list, to_uuid

AboutRow: TypeAlias = tuple[bytes, bytes, int, str, str, str, str, bytes]

# What `to_about` reads, and from where; others may ask for more of the delivery ``d``.
COLUMNS = (
    "d.uuid, m.uuid, d.sub_account, m.sender, d.recipient,"
    " coalesce(pool.name, ''), coalesce(provider.name, ''), m.detail"
)
TABLES = (
    "delivery AS d CROSS JOIN message AS m ON m.id = d.message"
    " LEFT JOIN pool ON pool.id = d.pool"
    " LEFT JOIN provider ON provider.id = d.provider"
)


def to_about(row: AboutRow) -> About:
    """A row of ``COLUMNS`` in the words of an event."""
    delivery, message, sub_account, sender, recipient, pool, provider, detail = row
    uuid = to_uuid(delivery)
    return About(
        SubAccountId(sub_account),
        uuid if message == delivery else to_uuid(message),
        uuid,
        sender,
        recipient,
        pool,
        provider,
        decode_dimensions(detail),
    )


def about_deliveries(view: View, uuids: list[bytes]) -> dict[UUID, About]:
    """Those of the deliveries that are known; ``uuids`` must not be empty."""
    rows = view.db.execute(
        *in_list(
            f"SELECT {COLUMNS} FROM {TABLES}"  # noqa: S608 - our own text
            " WHERE d.uuid IN (:values)",
            uuids,
        )
    )
    return {about.delivery: about for about in map(to_about, rows)}
