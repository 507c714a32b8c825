"""One small DKIM key for all tests: making one takes time."""

from functools import cache

from appliance.core.domain import DkimKey
from appliance.mime.dkim_keys import generate_rsa_key


@cache
def dkim_key() -> DkimKey:
    """An RSA key under the selector ``pr1``."""
    return generate_rsa_key("pr1", 1024)
