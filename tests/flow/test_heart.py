from pathlib import Path

from appliance.core.message import Request
from appliance.core.pool import by_shares
from appliance.core.suppression import SuppressionReason
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.feed import Feed
from appliance.flow.heart import Heart
from appliance.store.events import last_number
from appliance.store.messages import accept
from appliance.store.pools import add_pool
from appliance.store.suppressions import add_suppression
from tests.fakes.store import NOW_NS, open_temp_store, seed


async def test_what_another_process_wrote_is_noticed(tmp_path: Path) -> None:
    """New mail rings the relay, configuration and suppressions reach memory."""
    rings: list[int] = []
    async with open_temp_store(tmp_path) as store, open_temp_store(tmp_path) as other:
        seeded = await seed(store)
        directory = await DirectoryKeeper.load(store)
        feed = Feed(store, await store.read(last_number))
        heart = Heart(store, directory, feed, lambda: rings.append(1))
        await heart.run_once()
        before = len(rings)
        await heart.run_once()
        assert len(rings) == before

        message = seeded.message()
        await other.write_each(accept, Request((message,)))
        await other.write(add_pool, by_shares("new", [(seeded.provider.id, 100)]))
        address = message.submission.to[0].mailbox.address
        await other.write(
            add_suppression,
            seeded.sub_account.id,
            address,
            reason=SuppressionReason.MANUAL,
            now_ns=NOW_NS,
        )
        await heart.run_once()
        assert len(rings) == before + 1
        assert feed.last_number == 1
        assert "new" in directory.current.pools
        assert directory.is_suppressed(seeded.sub_account.id, address)
