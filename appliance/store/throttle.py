"""The rows of limits with the tokens that are left of them: limits that are in force.

A limit (``limits.py``) and its tokens share a row, so that a change of the limit keeps
the tokens, and a restart does too.
"""

import msgspec

from appliance.core.throttle import Bucket, Level, Limit

# One JSON object a row, so that a claim reads them along with all else: head.py.
THROTTLE = (
    "json_object('id', t.id, 'provider', t.provider, 'scope', t.scope, 'key', t.key,"
    " 'per_hour', t.per_hour, 'per_second', t.per_second, 'hour_left', t.hour_left,"
    " 'second_left', t.second_left, 'at_us', t.at_us, 'since_ns', t.since_ns,"
    " 'seen_ns', t.seen_ns, 'at_once', t.at_once)"
)


class ThrottleRow(msgspec.Struct, frozen=True):
    """A limit, with what was left of it when somebody last looked."""

    id: int
    provider: int
    scope: str
    key: str
    per_hour: int | None
    per_second: int | None
    hour_left: int | None
    second_left: int | None
    at_us: int
    since_ns: int | None
    seen_ns: int | None
    at_once: int | None

    @property
    def limit(self) -> Limit:
        """What may go."""
        return Limit(self.per_hour, self.per_second, self.at_once)

    def bucket(self, now_us: int) -> Bucket:
        """What is left of it now."""
        hour = Level(self.hour_left, self.at_us)
        second = Level(self.second_left, self.at_us)
        return Bucket(hour, second).filled(self.limit, now_us)

    def told(self, provider: str) -> str:
        """What mail that it holds back waits for."""
        of_what = f" of {self.key}" if self.key else ""
        return f"limit {self.limit}{of_what} at {provider}"
