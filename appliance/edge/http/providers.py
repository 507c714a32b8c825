"""The calls about providers: made, shown, changed, tried, removed; new event keys."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from appliance.core.ids import ProviderId
from appliance.core.provider import NewProvider, Provider
from appliance.dialects.sendpost.account_answer import (
    BUSY,
    NO_PROVIDER,
    own_pool_exists,
    provider_deleted,
    provider_exists,
    provider_in_use,
    render,
    unfit,
)
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.paging import read_page
from appliance.dialects.sendpost.paths import (
    EVENT_KEY,
    PROVIDER_TEST,
    PROVIDERS,
    PROVIDERS_SHORT,
)
from appliance.dialects.sendpost.provider import (
    TEST_HEADER,
    ProviderWish,
    parse_provider,
)
from appliance.dialects.sendpost.provider_answer import provider_facts, render_test
from appliance.edge.http.account import NUMBER, Ask, Call
from appliance.flow.provider_desk import ProviderDesk
from appliance.flow.provider_words import (
    Obstacle,
    Stored,
    Trial,
    Tried,
    Unfit,
)
from appliance.store.database import Store
from appliance.store.providers import get_provider, list_providers

CREATED = 201
_OBSTACLES: Mapping[Obstacle, Callable[[str], Problem]] = MappingProxyType(
    {
        Obstacle.NAME_TAKEN: provider_exists,
        Obstacle.POOL_TAKEN: own_pool_exists,
        Obstacle.BUSY: lambda _name: BUSY,
        Obstacle.GONE: lambda _name: NO_PROVIDER,
    }
)


class ProviderCalls:
    """Each call, over the desk that carries it out.

    ``defaults`` are the settings of a provider that names none.
    """

    def __init__(self, store: Store, desk: ProviderDesk, defaults: NewProvider) -> None:
        self._store = store
        self._desk = desk
        self._defaults = defaults

    def calls(self) -> dict[tuple[str, str], Call]:
        """All calls, under both spellings of their path."""
        found: dict[tuple[str, str], Call] = {}
        for path in (PROVIDERS, PROVIDERS_SHORT):
            one = f"{path}/{NUMBER}"
            found |= {
                ("POST", path): self.create,
                ("GET", path): self.list,
                ("GET", one): self.get,
                ("PUT", one): self.change,
                ("DELETE", one): self.delete,
                ("POST", f"{one}/{EVENT_KEY}"): self.rotate,
                ("POST", f"{path}/{PROVIDER_TEST}"): self.test,
            }
        return found

    async def create(self, ask: Ask) -> Answer | Problem:
        """A provider that has taken a test message, with its event key."""
        wish = parse_provider(ask.body)
        if isinstance(wish, Problem):
            return wish
        new = wish.new(self._defaults)
        if isinstance(new, Problem):
            return new
        made = await self._desk.add(new, _trial(wish), with_pool=wish.with_pool)
        return self._worded(made, wish, ask, CREATED)

    async def list(self, ask: Ask) -> Answer | Problem:
        """All providers, oldest first."""
        page = read_page(ask.query)
        if isinstance(page, Problem):
            return page
        found = page.of(await self._store.read(list_providers), _name)
        return render([self._facts(one, ask) for one in found])

    async def get(self, ask: Ask) -> Answer | Problem:
        """One provider."""
        one = await self._store.read(get_provider, ProviderId(ask.number))
        return NO_PROVIDER if one is None else render(self._facts(one, ask))

    async def change(self, ask: Ask) -> Answer | Problem:
        """A provider with some settings changed; tested if they are about the way."""
        wish = parse_provider(ask.body)
        if isinstance(wish, Problem):
            return wish
        number, trial = ProviderId(ask.number), _trial(wish)
        made = await self._desk.change(number, wish.change, trial)
        return made if isinstance(made, Problem) else self._worded(made, wish, ask)

    async def delete(self, ask: Ask) -> Answer | Problem:
        """Away with a provider that no pool uses."""
        number = ProviderId(ask.number)
        one = await self._store.read(get_provider, number)
        if one is None:
            return NO_PROVIDER
        removal = await self._desk.remove(number)
        if removal.pools:
            return provider_in_use(one.name, removal.pools)
        return provider_deleted(number, one.name)

    async def rotate(self, ask: Ask) -> Answer | Problem:
        """A provider with a new event key, shown this once."""
        made = await self._desk.rotate_key(ProviderId(ask.number))
        if isinstance(made, Obstacle):
            return NO_PROVIDER
        return render(self._facts(made.provider, ask, made.event_key))

    async def test(self, ask: Ask) -> Answer | Problem:
        """How a test went, of settings that nobody keeps."""
        wish = parse_provider(ask.body)
        if isinstance(wish, Problem):
            return wish
        new = wish.new(self._defaults, named=False)
        if isinstance(new, Problem):
            return new
        made = await self._desk.try_out(new, _trial(wish))
        return self._worded(made, wish, ask)

    def _worded(
        self,
        made: Stored | Tried | Unfit | Obstacle,
        wish: ProviderWish,
        ask: Ask,
        status: int = 200,
    ) -> Answer | Problem:
        """What the desk says of a wish, in the dialect's words."""
        match made:
            case Stored(provider, event_key):
                return render(self._facts(provider, ask, event_key), status)
            case Tried(steps, security):
                return render_test(steps, security)
            case Unfit(field, message):
                return unfit(field, message)
            case Obstacle():
                return _OBSTACLES[made](wish.body.name or "")

    def _facts(self, one: Provider, ask: Ask, event_key: str = "") -> dict[str, object]:
        return provider_facts(one, ask.account, self._desk.now_ns(), event_key)


def _trial(wish: ProviderWish) -> Trial:
    return Trial(wish.test_from, wish.test_to, TEST_HEADER)


def _name(one: Provider) -> str:
    return one.name
