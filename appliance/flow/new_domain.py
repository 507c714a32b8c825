"""Taking a sender domain on: keys are made, records worded, all of it stored."""

import time

from appliance.core.domain import SenderDomain
from appliance.core.ids import SubAccountId
from appliance.dialects.sendpost.domain import records_for
from appliance.flow.domain_keys import KeyWish, first_keys
from appliance.store.database import Store
from appliance.store.domains import add_domain


async def take_on(
    store: Store,
    sub_account: SubAccountId,
    name: str,
    public_host: str,
    bounce_host: str,
    *,
    wish: KeyWish | None = None,
) -> SenderDomain | None:
    """The domain with DKIM keys, or None if the sub-account has it already.

    ``name`` is in ASCII; the hosts are those that the records will point to.

    Raises:
        KeyRefused: the key that is wanted cannot be had.
        StoreUnavailable: nothing was stored.
    """
    keys = await first_keys(wish or KeyWish())
    return await store.write(
        add_domain,
        sub_account,
        name,
        keys=keys,
        records=records_for(name, public_host, bounce_host, keys),
        now_ns=time.time_ns(),
    )
