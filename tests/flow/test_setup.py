"""The data folder: finished after a crash, refused when it cannot be right."""

import os
from pathlib import Path

import pytest

from appliance.flow.setup import DataFolder, FolderError, initialise, open_data
from appliance.net.tls_server import ServerTls
from appliance.store.accounts import list_sub_accounts

NOW = 1_700_000_000_000_000_000


async def test_a_half_made_folder_is_finished(tmp_path: Path) -> None:
    """A crash between any two steps leaves something that init completes."""
    whole = tmp_path / "whole"
    assert await initialise(DataFolder(whole), NOW) is not None
    for kept in (
        [],
        ["secret.key"],
        ["secret.key", "postroom.toml"],
        ["secret.key", "postroom.toml", "tls/key.pem"],
        ["secret.key", "postroom.toml", "tls/key.pem", "tls/cert.pem"],
        ["postroom.toml"],
        ["tls/key.pem"],
    ):
        half = tmp_path / f"half{len(kept)}{kept[:1]}".replace("/", "")
        half.mkdir(mode=0o700)
        for name in kept:
            (half / name).parent.mkdir(mode=0o700, exist_ok=True)
            (half / name).write_bytes((whole / name).read_bytes())
        folder = DataFolder(half)
        assert await initialise(folder, NOW) is not None
        ServerTls(folder.certificate, folder.certificate_key)
        async with open_data(DataFolder(half)) as store:
            assert len(await store.read(list_sub_accounts)) == 1


async def test_a_crash_while_a_file_is_written_leaves_no_half_file(
    tmp_path: Path,
) -> None:
    """Drafts have names of their own; one left behind is in nobody's way."""
    folder = DataFolder(tmp_path / "data")
    folder.root.mkdir()
    (folder.root / ".secret.key.0011aabb").write_bytes(b"half")
    assert await initialise(folder, NOW) is not None
    assert len(folder.read_secret()) == 32


async def test_settings_that_are_there_stay(tmp_path: Path) -> None:
    """An operator may lay the settings file out before init."""
    folder = DataFolder(tmp_path)
    folder.settings.write_text("[log]\n")
    await initialise(folder, NOW)
    assert folder.settings.read_text() == "[log]\n"


async def test_a_lost_secret_is_named(tmp_path: Path) -> None:
    """A database without its key is not given a new one: nothing would open."""
    folder = DataFolder(tmp_path)
    await initialise(folder, NOW)
    folder.secret.unlink()
    with pytest.raises(FolderError, match=r"secret\.key is missing") as caught:
        await initialise(folder, NOW)
    assert "backup" in caught.value.hint
    assert not folder.secret.exists()


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
async def test_a_damaged_secret_is_named(tmp_path: Path, content: bytes) -> None:
    """A key of the wrong length is refused before anything is opened."""
    folder = DataFolder(tmp_path)
    await initialise(folder, NOW)
    folder.secret.write_bytes(content)
    with pytest.raises(FolderError, match="is damaged"):
        await initialise(folder, NOW)


async def test_another_secret_is_named(tmp_path: Path) -> None:
    """The key of another folder opens nothing, and says so."""
    folder = DataFolder(tmp_path)
    await initialise(folder, NOW)
    folder.secret.write_bytes(b"x" * 32)
    with pytest.raises(FolderError, match="sealing key") as caught:
        await initialise(folder, NOW)
    assert caught.value.hint == "Put secret.key back from a backup."


async def test_a_database_of_another_user_is_named_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the disk is to be looked at."""
    folder = DataFolder(tmp_path)
    await initialise(folder, NOW)
    folder.database.unlink()
    folder.database.mkdir()  # root may open every file
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FolderError, match="cannot be used") as caught:
        await initialise(folder, NOW)
    assert "as the user" in caught.value.hint


async def test_a_file_in_the_place_of_the_database_is_named(tmp_path: Path) -> None:
    """What is no database is a refusal, not a traceback."""
    folder = DataFolder(tmp_path)
    await initialise(folder, NOW)
    folder.database.write_bytes(
        b"not a database, but long enough to look like one" * 99
    )
    with pytest.raises(FolderError, match="cannot be used"):
        async with open_data(folder):
            pass


async def test_a_missing_database_is_not_made_by_a_command(tmp_path: Path) -> None:
    """Only init makes one; a command on a lost database says that it is lost."""
    folder = DataFolder(tmp_path)
    await initialise(folder, NOW)
    folder.database.unlink()
    with pytest.raises(FolderError, match="is missing"):
        async with open_data(folder):
            pass
    assert not folder.database.exists()


async def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(FolderError, match="cannot be made"):
        await initialise(DataFolder(tmp_path / "file" / "data"), NOW)
