"""When an upstream that fails is left alone, and when it is tried again.

Pure: each step makes a new ``Health`` of the one before. While an upstream is up,
all of its mail goes out. After some failures in a row it is down: nothing goes out
until a moment, then one mail at a time is let through as a trial. The trial's answer
makes it up again; its failure makes the next pause twice as long.

Only what says something of the upstream counts here: no connection, no TLS, no login,
a 421. An answer about one mail is that mail's own.
"""

from dataclasses import dataclass, replace
from enum import Enum

_SECOND_NS = 1_000_000_000
_MAX_DOUBLINGS = 40


class Condition(Enum):
    """What may be sent to an upstream."""

    UP = "up"  # everything
    DOWN = "down"  # nothing
    ON_TRIAL = "on trial"  # one mail at a time


@dataclass(frozen=True, slots=True)
class Patience:
    """After how many failures in a row an upstream is down, and for how long."""

    failures: int
    pause_ns: int
    max_pause_ns: int

    def pause_after(self, failures: int) -> int:
        """Nanoseconds until the next trial, after so many failures in a row."""
        doublings = min(max(0, failures - self.failures), _MAX_DOUBLINGS)
        return min(self.pause_ns << doublings, self.max_pause_ns)


PATIENCE = Patience(3, 30 * _SECOND_NS, 900 * _SECOND_NS)


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one upstream.

    ``opened_ns`` is the moment since which it is down and ``probe_ns`` that of the
    next trial; both are None while it is up. The last error stays known.
    """

    failures: int = 0
    opened_ns: int | None = None
    probe_ns: int | None = None
    last_error: str = ""
    last_error_ns: int = 0

    def condition(self, now_ns: int) -> Condition:
        """What may be sent now. A clock that went back makes a trial due."""
        if self.probe_ns is None:
            return Condition.UP
        waits = self.last_error_ns <= now_ns < self.probe_ns
        return Condition.DOWN if waits else Condition.ON_TRIAL

    def failed(
        self, error: str, began_ns: int, now_ns: int, patience: Patience
    ) -> "Health":
        """The health after a try, begun at ``began_ns``, has failed at ``now_ns``.

        Tries that were under way together when the first of them failed are one
        failure, and so is what was begun before a trial was due.
        """
        if not self._is_news(began_ns, now_ns):
            return self
        failures = self.failures + 1
        after = replace(self, failures=failures, last_error=error, last_error_ns=now_ns)
        if failures < patience.failures and self.opened_ns is None:
            return after
        return replace(
            after,
            opened_ns=now_ns if self.opened_ns is None else self.opened_ns,
            probe_ns=now_ns + patience.pause_after(failures),
        )

    def answered(self) -> "Health":
        """The health after it has spoken about a mail: it is up."""
        if not self.failures and self.probe_ns is None:
            return self
        return Health(last_error=self.last_error, last_error_ns=self.last_error_ns)

    def changed(self, now_ns: int) -> "Health":
        """The health after its settings were changed: worth a trial at once."""
        return self if self.probe_ns is None else replace(self, probe_ns=now_ns)

    def again_ns(self, now_ns: int, patience: Patience) -> int:
        """When mail is due again that could not be handed over just now."""
        if self.probe_ns is not None:
            return max(now_ns, self.probe_ns)
        doublings = min(max(0, self.failures - 1), _MAX_DOUBLINGS)
        return now_ns + min(_SECOND_NS << doublings, patience.pause_ns)

    def _is_news(self, began_ns: int, now_ns: int) -> bool:
        if self.condition(now_ns) is Condition.DOWN:
            return False
        return began_ns > self.last_error_ns or now_ns < self.last_error_ns


HEALTHY = Health()


@dataclass(frozen=True, slots=True)
class Restraint:
    """What a claim must know of a provider that is not up.

    ``most`` deliveries may be in flight: none, or one as a trial. ``waits_for`` is
    what the others are told to wait for.
    """

    most: int
    waits_for: str
