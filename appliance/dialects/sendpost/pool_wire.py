"""The body of a pool as it is sent to be made or changed (spec 10.1).

Both contracts' names are read. Of whole objects, as the legacy contract sends back
what it was shown, only what they are known by is read.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

MAX_MEMBERS = 1_000  # not published


class IpBody(msgspec.Struct, frozen=True, rename={"public_ip": "publicIP"}):
    """An address of one's own."""

    public_ip: str | None = None


class ProviderBody(msgspec.Struct, frozen=True):
    """A provider, by its number."""

    id: int


class PoolBody(msgspec.Struct, frozen=True, rename="camel"):
    """A pool; each field may be left out of a change."""

    name: str | None = None
    ips: Annotated[list[IpBody], Meta(max_length=MAX_MEMBERS)] | None = None
    tpsps: Annotated[list[int], Meta(max_length=MAX_MEMBERS)] | None = None
    third_party_sending_providers: (
        Annotated[list[ProviderBody], Meta(max_length=MAX_MEMBERS)] | None
    ) = None
    routing_strategy: int | None = None
    routing_meta_data: str | dict[str, object] | None = None
    should_overflow: bool | None = None
    overflow_pool: bool | None = None
    overflow_pool_name: str | None = None


DECODER = msgspec.json.Decoder(PoolBody)
