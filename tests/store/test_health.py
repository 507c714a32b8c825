from appliance.core.breaker import Health
from appliance.store.database import Store
from appliance.store.health import load_health, save_health
from appliance.store.providers import NewProvider, add_provider, remove_provider
from tests.fakes.store import NOW_NS, Seeded

DOWN = Health(4, NOW_NS, NOW_NS + 60, "no route", NOW_NS + 1)


async def test_health_is_what_was_last_said(store: Store, seeded: Seeded) -> None:
    """It outlives the process that knew it."""
    provider = seeded.provider.id
    assert await store.read(load_health) == {}
    await store.write_each(save_health, (provider, DOWN))
    assert await store.read(load_health) == {provider: DOWN}
    await store.write(save_health, [(provider, DOWN), (provider, DOWN.answered())])
    assert await store.read(load_health) == {provider: DOWN.answered()}


async def test_health_goes_with_its_provider(store: Store) -> None:
    """What is said of one that is gone changes nothing, and harms no other."""
    other = await store.write(add_provider, NewProvider("other"))
    assert other is not None
    provider = other.id
    await store.write_each(save_health, (provider, DOWN))
    assert (await store.write(remove_provider, provider)).removed
    assert await store.read(load_health) == {}
    await store.write_each(save_health, (provider, DOWN))
    assert await store.read(load_health) == {}
