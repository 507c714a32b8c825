from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.store.database import Store
from tests.fakes.store import Seeded, open_temp_store, seed


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store on a real disk."""
    async with open_temp_store(tmp_path) as opened:
        yield opened


@pytest.fixture
async def seeded(store: Store) -> Seeded:
    """The same store with a tenant, a domain and a pool."""
    return await seed(store)
