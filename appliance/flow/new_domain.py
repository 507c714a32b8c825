"""Taking a sender domain on: keys are made, records worded, all of it stored."""

import time

import trio

from appliance.core.domain import SenderDomain
from appliance.core.ids import SubAccountId
from appliance.dialects.sendpost.domain import (
    ED25519_SELECTOR,
    RSA_SELECTOR,
    records_for,
)
from appliance.mime.dkim import generate_ed25519_key, generate_rsa_key
from appliance.store.database import Store
from appliance.store.domains import add_domain


async def take_on(
    store: Store,
    sub_account: SubAccountId,
    name: str,
    public_host: str,
    bounce_host: str,
) -> SenderDomain | None:
    """The domain with fresh DKIM keys, or None if the sub-account has it already.

    ``name`` is in ASCII; the hosts are those that the records will point to.

    Raises:
        StoreUnavailable: nothing was stored.
    """
    rsa = await trio.to_thread.run_sync(generate_rsa_key, RSA_SELECTOR)
    ed25519 = generate_ed25519_key(ED25519_SELECTOR)
    records = records_for(name, public_host, bounce_host, rsa.public, ed25519.public)
    return await store.write(
        add_domain,
        sub_account,
        name,
        keys=(rsa, ed25519),
        records=records,
        now_ns=time.time_ns(),
    )
