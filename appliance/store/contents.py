"""What senders wrote, read back for the relay."""

from collections.abc import Sequence

import msgspec

from appliance.core.ids import ContentId
from appliance.core.submission import AnyContent
from appliance.store.content_codec import decode_content
from appliance.store.transaction import View


def load_contents(view: View, ids: Sequence[ContentId]) -> dict[ContentId, AnyContent]:
    """The contents of ``ids``; those that are gone are left out.

    A claim's byte limit is what bounds the memory that this takes.
    """
    rows = view.db.execute(
        "SELECT id, data FROM content WHERE id IN (SELECT value FROM json_each(?))"
        " AND length(data) > 0",
        (msgspec.json.encode(ids).decode(),),
    )
    return {ContentId(id_): decode_content(data) for id_, data in rows}
