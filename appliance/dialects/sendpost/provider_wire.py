"""The body of a provider as it is sent to be made, changed or tested (spec 7.3).

Each field may be left out: what is required is judged by ``provider.py``, which
reads changes too. An older spelling stands beside its newer one; a field that is
null is as one that is absent, but for the rate, where null means no limit.
"""

import msgspec
from msgspec import UNSET, UnsetType


class ProviderBody(msgspec.Struct, frozen=True, rename="camel"):
    """Everything but the 27 class settings, which ``class_settings.py`` reads."""

    name: str | None = None
    type: int | None = None
    host: str | None = None
    endpoint: str | None = None
    port: int | None = None
    security: str | None = None
    encryption: str | None = None
    username: str | None = None
    key: str | None = None
    password: str | None = None
    secret: str | None = None
    auth_method: str | None = None
    verify_certificate: bool | None = None
    max_rate_per_hour: int | UnsetType | None = UNSET
    create_ip_pool: bool | None = None
    test_from: str | None = None
    test_to: str | None = None


DECODER = msgspec.json.Decoder(ProviderBody)
FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
