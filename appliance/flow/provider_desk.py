"""Where providers are made, changed and tried out, for commands and requests alike.

A server is let in with a test message that it takes; a change of how it is reached
asks for one again. What stands in the way is a value, which the caller words.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from appliance.core.credential import make_key
from appliance.core.ids import ProviderId
from appliance.core.pool import Pool, by_shares
from appliance.core.provider import Kind, NewProvider, Provider, Security
from appliance.flow.provider_words import (
    Habits,
    Obstacle,
    Stored,
    Trial,
    Tried,
    Unfit,
)
from appliance.flow.tryout import try_out
from appliance.flow.upstreams import upstream_of
from appliance.net.upstream import Upstream
from appliance.store.database import Store
from appliance.store.pools import add_pool, list_pools
from appliance.store.providers import (
    ProviderRemoval,
    add_provider,
    get_provider,
    list_providers,
    note_passed_test,
    remove_provider,
    set_event_key,
    update_provider,
)
from appliance.store.transaction import Tx, View

TESTS_AT_A_TIME = 8  # each may take half a minute
ALL_OF_IT = 100  # percent

Refused = TypeVar("Refused")


async def _nobody() -> None:
    """Nothing in this process has a copy of the configuration."""


class ProviderDesk:
    """Where commands and requests about providers are carried out."""

    def __init__(
        self,
        store: Store,
        habits: Habits,
        clock: Callable[[], int],
        tell: Callable[[], Awaitable[None]] = _nobody,
    ) -> None:
        self._store = store
        self._habits = habits
        self._clock = clock
        self._tell = tell
        self._testing = 0

    def now_ns(self) -> int:
        """The moment by which it is told how long ago something was."""
        return self._clock()

    async def add(
        self, new: NewProvider, trial: Trial | None, *, with_pool: bool = False
    ) -> Stored | Tried | Unfit | Obstacle:
        """The provider as stored, after a test if one is asked for.

        With a pool of the same name that sends all its mail there if ``with_pool``.
        """
        taken = await self._store.read(_find_obstacle, new, with_pool=with_pool)
        fault = taken or self.find_fault(new)
        if fault is not None:
            return fault
        tried = await self._test(new, trial)
        if not isinstance(tried, Tried) or tried.failed:
            return tried
        key = make_key()
        made = await self._store.write(_add, new, key, with_pool=with_pool)
        if isinstance(made, Obstacle):
            return made
        await self._tell()
        return Stored(made, key, tried.steps)

    async def change(
        self,
        provider: ProviderId,
        change: Callable[[Provider], NewProvider | Refused],
        trial: Trial | None,
    ) -> Stored | Tried | Unfit | Obstacle | Refused:
        """The provider after ``change`` of what it was, or what ``change`` refuses.

        If it is to be reached in another way, it is tested first. What somebody else
        changed meanwhile stays: ours is then made anew upon it.
        """
        made, tried = None, Tried(())
        while made is None:
            old = await self._store.read(get_provider, provider)
            if old is None:
                return Obstacle.GONE
            new = change(old)
            if not isinstance(new, NewProvider):
                return new
            found = await self._admit(old, new, trial)
            if not isinstance(found, Tried) or found.failed:
                return found
            tried = found
            tested_ns = self._clock() if tried.steps else 0
            made = await self._store.write(_update, old, new, tested_ns)
        if isinstance(made, Obstacle):
            return made
        await self._tell()
        return Stored(made, steps=tried.steps)

    async def try_out(self, new: NewProvider, trial: Trial) -> Tried | Unfit | Obstacle:
        """The steps of a test with settings that nobody keeps."""
        return self.find_fault(new) or await self._test(new, trial)

    async def test(self, one: Provider, trial: Trial) -> Tried | Unfit | Obstacle:
        """The steps of a test; a provider that passes it counts as down no longer."""
        tried = await self.try_out(one, trial)
        if isinstance(tried, Tried) and not tried.failed:
            await self._store.write(note_passed_test, one.id, self._clock())
            await self._tell()
        return tried

    async def rotate_key(self, provider: ProviderId) -> Stored | Obstacle:
        """The provider with a new event key; the old one is worth nothing now."""
        key = make_key()
        made = await self._store.write(_rotate, provider, key)
        if made is None:
            return Obstacle.GONE
        await self._tell()
        return Stored(made, key)

    async def remove(self, provider: ProviderId) -> ProviderRemoval:
        """Remove a provider, unless a pool uses it."""
        removal = await self._store.write(remove_provider, provider)
        await self._tell()
        return removal

    def find_fault(self, new: NewProvider) -> Unfit | None:
        """Why no mail can ever be sent with these settings, None if it might be."""
        if new.kind is Kind.CAPTURE:
            return None
        bare = new.security is Security.NONE and new.username
        if bare and not self._habits.plaintext_auth:
            return Unfit("security", "credentials are not sent without TLS")
        upstream = self._upstream(new)
        return upstream if isinstance(upstream, Unfit) else None

    async def _admit(
        self, old: Provider, new: NewProvider, trial: Trial | None
    ) -> Tried | Unfit | Obstacle:
        if new.name != old.name:
            taken = await self._store.read(_find_obstacle, new, with_pool=False)
            if taken is not None:
                return taken
        if new.connection == old.connection:
            return Tried(())
        if old.kind is Kind.CAPTURE:
            return Unfit("host", "provider keeps mail for viewing and has no server")
        return self.find_fault(new) or await self._test(new, trial)

    def _upstream(self, new: NewProvider) -> Upstream | Unfit:
        habits = self._habits
        try:
            return upstream_of(
                new, habits.ehlo_name, plaintext_auth=habits.plaintext_auth
            )
        except ValueError as error:  # its text names the setting first
            return Unfit(str(error).partition(" ")[0], str(error))

    async def _test(
        self, new: NewProvider, trial: Trial | None
    ) -> Tried | Unfit | Obstacle:
        if trial is None or new.kind is Kind.CAPTURE:
            return Tried(())
        upstream = self._upstream(new)
        if isinstance(upstream, Unfit):
            return upstream
        if self._testing >= TESTS_AT_A_TIME:
            return Obstacle.BUSY
        self._testing += 1
        try:
            postmaster = self._habits.postmaster
            sender, recipient = trial.sender or postmaster, trial.recipient
            steps = await try_out(upstream, sender, recipient or postmaster, trial.mark)
            return Tried(steps, new.security)
        finally:
            self._testing -= 1


def _find_obstacle(view: View, new: NewProvider, *, with_pool: bool) -> Obstacle | None:
    if any(one.name == new.name for one in list_providers(view)):
        return Obstacle.NAME_TAKEN
    if with_pool and any(one.name == new.name for one in list_pools(view)):
        return Obstacle.POOL_TAKEN
    return None


def _add(tx: Tx, new: NewProvider, key: str, *, with_pool: bool) -> Provider | Obstacle:
    obstacle = _find_obstacle(tx, new, with_pool=with_pool)
    if obstacle is not None:
        return obstacle
    made = add_provider(tx, new, event_key=key)
    assert made is not None
    if with_pool:
        pool = add_pool(tx, by_shares(new.name, [(made.id, ALL_OF_IT)]))
        assert isinstance(pool, Pool)
    return made


def _update(
    tx: Tx, old: Provider, new: NewProvider, tested_ns: int
) -> Provider | Obstacle | None:
    """None if the provider is no longer what ``new`` was made from."""
    if get_provider(tx, old.id) != old:
        return None
    made = update_provider(tx, old.id, new)
    if made is not None and tested_ns:
        note_passed_test(tx, old.id, tested_ns)
    return made or Obstacle.NAME_TAKEN


def _rotate(tx: Tx, provider: ProviderId, key: str) -> Provider | None:
    set_event_key(tx, provider, key)
    return get_provider(tx, provider)
