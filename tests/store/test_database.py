import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
import trio

from appliance.core.message import Request
from appliance.store.accounts import has_account
from appliance.store.database import Store, open_store
from appliance.store.errors import (
    NewerDatabaseError,
    StoreUnavailable,
    WrongSealingKeyError,
)
from appliance.store.events import last_number, list_events
from appliance.store.messages import accept, get_message
from appliance.store.transaction import View
from tests.fakes.store import SEALING_KEY, already_seeded, open_temp_store, seed

ROOT = Path(__file__).parents[2]


def other_process(folder: Path) -> "subprocess.Popen[str]":
    """A process that accepts mail in the store and prints what it acknowledged."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.store", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_lines(process: "subprocess.Popen[str]", count: int) -> list[UUID]:
    """The first acknowledgements."""
    assert process.stdout is not None
    return [UUID(process.stdout.readline().strip()) for _ in range(count)]


def modes(folder: Path) -> dict[str, int]:
    """The files of a folder and who may do what with them."""
    return {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}


async def test_all_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """ATTACKS 27: no other user of the machine reads mail or keys, even in the log."""
    async with open_store(tmp_path / "postroom.db", sealing_key=SEALING_KEY):
        found = modes(tmp_path)
    assert found == dict.fromkeys(
        ("postroom.db", "postroom.db-wal", "postroom.db-shm"), 0o600
    )


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """ATTACKS 27: a careless copy or restore is put right."""
    async with open_temp_store(tmp_path):
        pass
    (tmp_path / "postroom.db").chmod(0o644)
    async with open_temp_store(tmp_path):
        assert modes(tmp_path)["postroom.db"] == 0o600


async def test_closing_leaves_one_file(tmp_path: Path) -> None:
    """The log is folded into the file, which can then be copied as it is."""
    async with open_temp_store(tmp_path) as store:
        await seed(store)
    assert list(modes(tmp_path)) == ["postroom.db"]


async def test_commits_are_synced_and_rows_hold_together(store: Store) -> None:
    """What is acknowledged is on disk: the settings that promise it are in force."""

    def settings(db: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    writing = store._writer._connection
    assert await writing.transact(settings) == ["wal", 2, 1, 0]


async def test_a_reader_cannot_write(store: Store) -> None:
    """Only the writer's one connection changes anything."""

    def meddle(view: View) -> None:
        view.db.execute("DELETE FROM meta")

    with pytest.raises(StoreUnavailable, match="readonly"):
        await store.read(meddle)


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """ATTACKS 26: an old program does not write into tables it does not know."""
    async with open_temp_store(tmp_path):
        pass
    db = sqlite3.connect(tmp_path / "postroom.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(NewerDatabaseError, match="version 99; this program knows"):
        async with open_temp_store(tmp_path):
            pass


async def test_a_wrong_sealing_key_is_a_clear_error(tmp_path: Path) -> None:
    """ATTACKS 26: a restored database without its key says so at once."""
    async with open_temp_store(tmp_path):
        pass
    with pytest.raises(WrongSealingKeyError, match="not the one this database"):
        async with open_store(tmp_path / "postroom.db", sealing_key=b"\xff" * 32):
            pass


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    """A wrong path neither crashes nor overwrites what is there."""
    (tmp_path / "postroom.db").write_bytes(b"this is somebody's letter" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        async with open_temp_store(tmp_path):
            pass
    assert (tmp_path / "postroom.db").read_bytes().startswith(b"this is")


async def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(StoreUnavailable, match="nowhere"):
        async with open_store(tmp_path / "nowhere" / "x.db", sealing_key=SEALING_KEY):
            pass


async def test_an_error_of_the_body_comes_out_bare(tmp_path: Path) -> None:
    """Callers catch their own errors, not groups of them."""
    with pytest.raises(KeyError):
        async with open_temp_store(tmp_path):
            raise KeyError


async def test_a_cancelled_body_closes_the_store(tmp_path: Path) -> None:
    """What was handed in is on disk after a cancellation as well."""
    with trio.CancelScope() as scope:
        async with open_temp_store(tmp_path) as store:
            await seed(store)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert list(modes(tmp_path)) == ["postroom.db"]
    async with open_temp_store(tmp_path) as store:
        assert await store.read(has_account)


async def test_the_pulse_feels_what_another_store_wrote(tmp_path: Path) -> None:
    """Memory is reloaded when, and only when, somebody changed something."""
    async with open_temp_store(tmp_path) as store, open_temp_store(tmp_path) as other:
        before = await store.pulse()
        assert await store.pulse() == before
        seeded = await seed(other)
        configured = await store.pulse()
        assert configured.data != before.data
        assert configured.configuration > before.configuration
        await other.write_each(accept, Request((seeded.message(),)))
        after = await store.pulse()
        assert after.data != configured.data
        assert after.configuration == configured.configuration


async def test_two_processes_write_at_once(tmp_path: Path) -> None:
    """Both go on, and their events share one row of numbers without a gap."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        with other_process(tmp_path) as process:
            try:
                theirs = await trio.to_thread.run_sync(read_lines, process, 1)
                ours = []
                for _ in range(100):
                    message = seeded.message()
                    await store.write_each(accept, Request((message,)))
                    ours.append(message.deliveries[0].uuid)
                theirs += await trio.to_thread.run_sync(read_lines, process, 99)
            finally:
                process.kill()
        events = await store.read(list_events, limit=1_000_000)
    assert {one.about.delivery for one in events} >= {*ours, *theirs}
    assert [one.number for one in events] == list(range(1, len(events) + 1))


async def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """ATTACKS 26: kill -9 in the middle of writing; every id told is there after."""
    async with open_temp_store(tmp_path) as store:
        await seed(store)
    with other_process(tmp_path) as process:
        acknowledged = await trio.to_thread.run_sync(read_lines, process, 300)
        process.kill()
        assert process.stdout is not None
        rest = process.stdout.read().split("\n")[:-1]  # the last one may be cut
    acknowledged += map(UUID, rest)
    async with open_temp_store(tmp_path) as store:
        for uuid in acknowledged:
            assert len(await store.read(get_message, uuid)) == 1
        events = await store.read(list_events, limit=1_000_000)
        assert [one.number for one in events] == list(range(1, len(events) + 1))
        seeded = await already_seeded(store)
        await store.write_each(accept, Request((seeded.message(),)))
        assert await store.read(last_number) == len(events) + 1


async def test_a_sealing_key_of_wrong_length_opens_nothing(tmp_path: Path) -> None:
    """The mistake is named before a file is made."""
    with pytest.raises(ValueError, match="32 bytes"):
        async with open_store(tmp_path / "x.db", sealing_key=SEALING_KEY[:5]):
            pass
    assert modes(tmp_path) == {}
