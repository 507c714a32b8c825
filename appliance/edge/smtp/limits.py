"""What clients may take of the SMTP doors: sessions, bytes and seconds."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from appliance.net.smtp_session import Patience
from appliance.settings.doors import Smtp


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the doors that is not one of a single mail."""

    max_sessions: int = 3000
    max_sessions_per_origin: int = 100
    max_memory: int = 256 * 1024 * 1024
    patience: Patience = field(default_factory=Patience)
    drain_timeout: float = 10.0

    @classmethod
    def of(cls, smtp: Smtp) -> Self:
        """The limits that the operator's settings ask for."""
        return cls(
            max_sessions=smtp.max_sessions,
            max_sessions_per_origin=smtp.max_sessions_per_address,
            max_memory=smtp.max_memory,
            patience=Patience(idle=smtp.idle_timeout, session=smtp.session_timeout),
            drain_timeout=smtp.drain_timeout,
        )


class Places:
    """How many sessions are open, in all and by where they come from."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: Counter[str] = Counter()
        self._total = 0

    @property
    def all_taken(self) -> bool:
        """True if there is no place for anybody."""
        return self._total >= self._limits.max_sessions

    def all_taken_by(self, origin: str) -> bool:
        """True if this one has as many as one may have."""
        return self._taken[origin] >= self._limits.max_sessions_per_origin

    def take(self, origin: str) -> None:
        """One more is open."""
        self._total += 1
        self._taken[origin] += 1

    def give_back(self, origin: str) -> None:
        """One has ended; of whoever has none left nothing is kept."""
        self._total -= 1
        self._taken[origin] -= 1
        if not self._taken[origin]:
            del self._taken[origin]
