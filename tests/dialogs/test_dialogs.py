"""Every transcript, played twice: in memory and over a socket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from appliance.edge.assembly import assemble
from appliance.edge.doors import submission_manners
from appliance.edge.smtp.listener import Door, manners_at
from appliance.flow.setup import open_data
from tests.dialogs.script import Script, load_scripts
from tests.dialogs.stage import (
    LimitDisk,
    Line,
    MemoryLine,
    SocketLine,
    furnish_for_dialogs,
    play,
)
from tests.fakes.house import furnish, limit_pages, running, settings_of

SCRIPTS = load_scripts()
HOST = "smtp.host=mail.shop.example"
Connect = Callable[[], Awaitable[Line]]
Stage = Callable[[Script, Path], AbstractAsyncContextManager[tuple[Connect, LimitDisk]]]


@asynccontextmanager
async def in_memory(
    script: Script, folder: Path
) -> AsyncIterator[tuple[Connect, LimitDisk]]:
    """The protocol, the desk and a real store; no socket, no listener."""
    premises = await furnish(folder, furnish_for_dialogs)
    settings = settings_of(premises.folder, HOST, *script.settings)
    async with open_data(premises.folder) as store:
        services = await assemble(store, premises.folder, settings, "operator")
        manners = manners_at(Door(script.door), submission_manners(settings))

        async def connect() -> Line:
            return MemoryLine(services.desk, manners, script)

        yield connect, partial(limit_pages, store)


@asynccontextmanager
async def over_a_socket(
    script: Script, folder: Path
) -> AsyncIterator[tuple[Connect, LimitDisk]]:
    """A whole server and a client that knows nothing of it."""
    premises = await furnish(folder, furnish_for_dialogs)
    async with running(premises, HOST, *script.settings) as house:
        (address,) = getattr(house.addresses, script.door)

        async def connect() -> Line:
            return await SocketLine.connect(address, tls=script.door == "submissions")

        yield connect, house.limit_pages


@pytest.mark.parametrize("stage", [in_memory, over_a_socket])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: one.name)
async def test_the_dialogue_goes_as_written(
    script: Script, stage: Stage, tmp_path: Path
) -> None:
    """Line by line, whatever carries it."""
    async with stage(script, tmp_path) as (connect, limit_disk):
        await play(script, connect, limit_disk)


def test_there_are_transcripts() -> None:
    """An empty folder would pass every test above."""
    assert len(SCRIPTS) > 20
