from pathlib import Path

import pytest

from appliance.store import login_blocks
from appliance.store.database import Store
from appliance.store.directory import load_directory
from appliance.store.login_blocks import (
    LONGEST_NS,
    LoginBlock,
    block_login,
    forget_login_blocks,
    lift_login_block,
    list_login_blocks,
)
from appliance.store.retention import prune
from tests.fakes.store import NOW_NS, open_temp_store

EVE = "192.0.2.66"
MINUTE_NS = 60 * 10**9


async def block(store: Store, now_ns: int, origin: str = EVE) -> LoginBlock:
    """Block for a minute, or longer if it is not the first time."""
    made, _ = await store.write(block_login, origin, now_ns, MINUTE_NS)
    return made


async def test_each_further_block_is_twice_as_long(store: Store) -> None:
    """ATTACKS 3: up to a day, however often."""
    now_ns, lasted = NOW_NS, []
    for _ in range(70):
        made = await block(store, now_ns)
        lasted.append((made.until_ns - made.blocked_ns) // MINUTE_NS)
        now_ns = made.until_ns
    assert lasted[:4] == [1, 2, 4, 8]
    assert set(lasted[11:]) == {24 * 60}
    assert made.blocks == 70


async def test_a_block_that_lasts_is_not_made_longer(store: Store) -> None:
    """Sessions that were open already change nothing."""
    first = await block(store, NOW_NS)
    pulse = await store.pulse()
    assert await block(store, NOW_NS + MINUTE_NS - 1) == first
    assert await store.pulse() == pulse


async def test_blocks_survive_a_restart(tmp_path: Path) -> None:
    """ATTACKS 3: who can make us restart is not forgiven."""
    async with open_temp_store(tmp_path) as store:
        made = await block(store, NOW_NS)
    async with open_temp_store(tmp_path) as store:
        directory = await store.read(load_directory)
    assert directory.login_blocks == {EVE: made}


async def test_the_directory_that_has_it_is_known(store: Store) -> None:
    """So that memory knows from when on the rows decide."""
    for number in range(2):
        made, generation = await store.write(
            block_login, f"192.0.2.{number}", NOW_NS, MINUTE_NS
        )
        directory = await store.read(load_directory)
        assert directory.generation == generation
        assert directory.login_blocks[made.origin] == made


async def test_a_lifted_block_is_gone_and_forgiven(store: Store) -> None:
    """The next one is a first one; memory is told to look."""
    await block(store, NOW_NS)
    before = (await store.pulse()).configuration
    assert await store.write(lift_login_block, EVE)
    assert (await store.pulse()).configuration > before
    assert not await store.write(lift_login_block, EVE)
    assert await store.read(list_login_blocks) == []
    assert (await block(store, NOW_NS)).blocks == 1


async def test_a_day_after_its_end_a_block_is_forgotten(store: Store) -> None:
    """Upkeep sees to it; until then the next one is longer."""
    made = await block(store, NOW_NS)
    day_later = made.until_ns + LONGEST_NS
    assert await store.write(forget_login_blocks, day_later) == 0
    assert len(await store.read(list_login_blocks)) == 1
    await store.write(
        prune,
        day_later + 1,
        keep_events_ns=LONGEST_NS,
        keep_messages_ns=LONGEST_NS,
        keep_keys_ns=LONGEST_NS,
        batch=10,
    )
    assert await store.read(list_login_blocks) == []
    assert await store.write(forget_login_blocks, day_later + 1) == 0


async def test_rows_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """ATTACKS 3: guessing from everywhere fills neither disk nor memory."""
    monkeypatch.setattr(login_blocks, "MAX_ROWS", 3)
    for number in range(6):
        await block(store, NOW_NS - number, f"192.0.2.{number}")
    kept = {one.origin for one in await store.read(list_login_blocks)}
    assert kept == {"192.0.2.0", "192.0.2.1", "192.0.2.5"}
