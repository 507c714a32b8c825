from pathlib import Path

from appliance.core.message import Request
from appliance.flow.room import NO_DISK, NO_QUEUE, Floor, Room, free_bytes_of
from appliance.store.messages import accept
from tests.fakes.store import open_temp_store, seed


async def test_mail_must_leave_what_the_operator_wants_left(tmp_path: Path) -> None:
    """By its own size too: 50 MB are refused before they come, not after."""
    disk = [1000]
    async with open_temp_store(tmp_path) as store:
        room = Room(store, Floor(400, 10), lambda: disk[0])
        assert room.refusal(600) is None
        assert room.refusal(601) == NO_DISK
        disk[0] = 399
        assert room.refusal() == NO_DISK
        await room.run_once()
        disk[0] = 400
        assert room.refusal() is None


async def test_a_queue_that_only_grows_is_full_one_day(tmp_path: Path) -> None:
    """Mail that nobody takes off our hands is not taken in for ever."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        room = Room(store, Floor(0, 2), lambda: 1000)
        for _ in range(2):
            await room.run_once()
            assert room.refusal() is None
            await store.write_each(accept, Request((seeded.message(),)))
        await room.run_once()
        assert room.refusal() == NO_QUEUE


def test_the_disk_is_really_measured(tmp_path: Path) -> None:
    """The file system's own word, as an unprivileged user may use it."""
    assert free_bytes_of(tmp_path)() > 0
