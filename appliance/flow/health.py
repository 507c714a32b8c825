"""How the upstreams are: what failed, who is left alone, and who is on trial.

The rules are ``core/breaker.py``'s. Here they meet the outcomes of real tries, the
log, and the rows by which health outlives the process. What says nothing of an upstream
but only of one mail never comes here as a failure.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from appliance.core.attempt import NewAttempt
from appliance.core.breaker import HEALTHY, Condition, Health, Patience, Restraint
from appliance.core.event import EventType, NewEvent, Scalar, about_provider
from appliance.core.ids import ProviderId
from appliance.core.provider import Provider
from appliance.flow.attempts import is_unwell, is_well
from appliance.log import get
from appliance.smtp.outcome import Outcome
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.health import load_health, save_health, save_turns
from appliance.store.transaction import Tx

log = get("postroom.health")

Providers = Mapping[ProviderId, Provider]
T = TypeVar("T")
SECOND_NS = 1_000_000_000
MAX_ERROR = 300  # characters of an error that are kept


class Infirmary:
    """The health of every provider, asked for at each claim and kept on disk."""

    def __init__(
        self,
        store: Store,
        patience: Patience,
        providers: Callable[[], Providers],
    ) -> None:
        self._store = store
        self._patience = patience
        self._providers = providers
        self._health: dict[ProviderId, Health] = {}
        self._met: dict[ProviderId, Provider] = {}  # the settings that failed

    async def load(self) -> None:
        """Take in what was known when a process ended before.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        self._health = await self._store.read(load_health)

    def of(self, provider: ProviderId) -> Health:
        """The health of one provider."""
        return self._health.get(provider, HEALTHY)

    def hear(self, attempt: NewAttempt, outcome: Outcome) -> None:
        """Take in what a try says of the upstream."""
        if is_well(outcome):
            self.answered(attempt.provider, attempt.ended_ns)
        elif is_unwell(outcome):
            words = f"{attempt.code} {attempt.text}" if attempt.code else attempt.text
            self.failed(attempt.provider, words, attempt.began_ns, attempt.ended_ns)

    def failed(
        self, provider: ProviderId, error: str, began_ns: int, now_ns: int
    ) -> None:
        """A try, begun at ``began_ns``, says that the upstream is not well."""
        was = self.of(provider)
        now = was.failed(error[:MAX_ERROR], began_ns, now_ns, self._patience)
        if now is was:
            return
        settings = self._providers().get(provider)
        if settings is not None:
            self._met[provider] = settings
        if was.probe_ns is None and now.probe_ns is not None:
            data = {"reason": now.last_error}
            self._turn(provider, now, EventType.PROVIDER_DOWN, now_ns, data)
        else:
            self._keep(provider, now)
        if now.probe_ns is not None:
            word = "provider.down" if was.probe_ns is None else "provider.still_down"
            pause_s = (now.probe_ns - now_ns) // 1_000_000_000
            name = self._name(provider)
            log.warning(word, provider=name, error=now.last_error, again_in_s=pause_s)

    def answered(self, provider: ProviderId, now_ns: int) -> None:
        """The upstream has spoken about a mail: it is up."""
        was = self._health.get(provider)
        if was is None or (now := was.answered()) is was:
            return
        if was.opened_ns is None:
            self._keep(provider, now)
            return
        data = {"downForSeconds": max(0, now_ns - was.opened_ns) // SECOND_NS}
        self._turn(provider, now, EventType.PROVIDER_UP, now_ns, data)
        log.info("provider.up", provider=self._name(provider))

    def again(self, provider: ProviderId, now_ns: int) -> tuple[int, str]:
        """When mail that was not handed over is due again, and what it waits for."""
        health = self.of(provider)
        return health.again_ns(now_ns, self._patience), self._waits_for(provider)

    def restraints(self, now_ns: int) -> dict[ProviderId, Restraint]:
        """The providers that are not up, and how much each may get."""
        found = {}
        for provider, health in self._health.items():
            if health.probe_ns is not None:
                on_trial = self._follow(provider, health, now_ns) is Condition.ON_TRIAL
                found[provider] = Restraint(int(on_trial), self._waits_for(provider))
        return found

    def _follow(self, provider: ProviderId, health: Health, now_ns: int) -> Condition:
        """Its condition; one whose settings were changed is tried at once."""
        settings = self._providers().get(provider)
        met = self._met.setdefault(provider, settings) if settings else None
        if met != settings and settings is not None:
            self._met[provider] = settings
            health = self._health[provider] = health.changed(now_ns)
        return health.condition(now_ns)

    def _waits_for(self, provider: ProviderId) -> str:
        health = self.of(provider)
        how = "is down" if health.probe_ns is not None else "could not be reached"
        return f"provider {self._name(provider)} {how}: {health.last_error}"

    def _name(self, provider: ProviderId) -> str:
        settings = self._providers().get(provider)
        return str(provider) if settings is None else settings.name

    def _keep(self, provider: ProviderId, health: Health) -> None:
        self._health[provider] = health
        self._write(save_health, (provider, health))

    def _turn(
        self,
        provider: ProviderId,
        health: Health,
        kind: EventType,
        now_ns: int,
        data: Mapping[str, Scalar],
    ) -> None:
        """Keep a health that is worth an event."""
        self._health[provider] = health
        about = about_provider(self._name(provider))
        event = NewEvent(kind, now_ns, about, data)
        self._write(save_turns, (provider, health, event))

    def _write(self, fn: Callable[[Tx, Sequence[T]], Sequence[None]], item: T) -> None:
        try:
            self._store.write_later(fn, item, _kept)
        except StoreUnavailable as error:
            _kept(error)


def _kept(result: Exception | None) -> None:
    """What could not be written is known here, and written when it changes."""
    if isinstance(result, Exception):
        log.warning("health.not_kept", error=result)
