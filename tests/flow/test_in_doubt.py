from pathlib import Path

import pytest
import trio

from appliance.core.delivery import State
from appliance.core.event import EventType
from appliance.core.provider import Security
from appliance.flow.settle import SECOND_NS
from appliance.store.deliveries import counts_by_state
from appliance.store.doubt import Rescued, rescue
from appliance.store.messages import list_recent
from appliance.store.providers import NewProvider, update_provider
from tests.fakes.floor import Floor, floor
from tests.fakes.upstream import Close, Hold, Say, Script


async def test_a_mail_that_broke_behind_its_dot_is_in_doubt(tmp_path: Path) -> None:
    """ATTACKS 23: neither sent nor tried at once; it waits for evidence."""
    async with floor(tmp_path, Script({"DOT": [Close()]})) as made:
        await made.send("a@rcpt.test")
        (doubt,) = await made.until_events(EventType.IN_DOUBT, 1)
        (standing,) = await made.store.read(list_recent, 1)
        assert (standing.state, standing.attempts) == (State.IN_DOUBT, 1)
        assert made.of(EventType.SENT) == []
    assert doubt.data == {"reason": "closed: the upstream closed the connection"}


async def test_a_dot_has_left_only_for_what_was_noted(tmp_path: Path) -> None:
    """After a crash at that moment it is in doubt, and what waits behind it is not."""
    async with floor(tmp_path, run=False) as made:
        held = trio.Event()
        made.upstream.scripts = (Script({"DOT": (Hold(held), Say("250 mine"))}),)
        await made.store.write(
            update_provider, made.seeded.provider.id, one_connection(made)
        )
        await made.directory.refresh()
        await made.send("a@rcpt.test", "b@rcpt.test")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.relay.run)

            async def arrived() -> bool:
                await trio.lowlevel.checkpoint()
                return bool(made.upstream.received)

            await made.until(arrived)
            # As the next start would find it.
            assert await made.store.write(rescue, made.now_ns, 1) == Rescued(1, 1)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("days", [1, -1])
async def test_a_day_s_jump_of_the_clock_sends_what_is_due_once(
    tmp_path: Path, days: int
) -> None:
    """ATTACKS 26: mail that comes in is sent at once, before and behind the jump."""
    async with floor(tmp_path) as made:
        await made.send("a@rcpt.test")
        await made.until_events(EventType.SENT, 1)
        made.now_ns += days * 86_400 * SECOND_NS
        await made.send("b@rcpt.test")
        await made.until_events(EventType.SENT, 2)
        counts = await made.store.read(counts_by_state)
    assert set(counts.values()) == {0}
    assert len(made.upstream.received) == 2


def one_connection(made: Floor) -> NewProvider:
    """The seeded provider with a single connection."""
    provider = made.seeded.provider
    return NewProvider(
        provider.name,
        host=provider.host,
        port=provider.port,
        security=Security.NONE,
        max_connections=1,
    )
