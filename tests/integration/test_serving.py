"""One process on a data folder, from `init` to SIGTERM."""

import signal
import stat
from pathlib import Path

import pytest

from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until
from tests.integration.conftest import MakePostroom

pytestmark = pytest.mark.integration


def test_a_second_serve_is_refused_by_the_name_of_the_lock(
    make_postroom: MakePostroom,
) -> None:
    """It ends with 1 and names the lock; the first one serves on."""
    postroom = make_postroom()
    postroom.start()
    before = postroom.addresses()
    done = postroom.attempt("serve", "--set", "http.bind=127.0.0.1:0")
    assert done.status == 1
    assert "lock" in done.err
    assert str(postroom.data) in done.err
    assert postroom.addresses() == before
    assert postroom.process.poll() is None


def test_sigterm_ends_cleanly_and_takes_the_addresses_away(
    make_postroom: MakePostroom,
) -> None:
    """Status 0, no run/addresses.json, and the folder can be served again."""
    postroom = make_postroom()
    postroom.start()
    found = postroom.addresses()
    assert found["http"].startswith("127.0.0.1:")
    assert found["live"] == f"ws://{found['http']}/postroom/v1/live"
    assert [len(found[door]) for door in ("submission", "submissions", "mx")] == [
        1,
        1,
        0,
    ]
    assert postroom.stop() == 0
    assert not postroom.addresses_file.exists()
    postroom.start()
    assert postroom.stop() == 0


def test_a_second_sigterm_stops_at_once(make_postroom: MakePostroom) -> None:
    """Nobody has to reach for kill -9 while it drains."""
    postroom = make_postroom()
    postroom.start()
    for _ in range(2):
        postroom.process.send_signal(signal.SIGTERM)
    wait_until(lambda: postroom.process.poll() is not None, 10, "the end")


def test_init_twice_changes_nothing(make_postroom: MakePostroom) -> None:
    """The second says so and shows no key; modes are private from the start."""
    postroom = make_postroom()
    files = {file: file.read_bytes() for file in _files(postroom)}
    again = postroom.ask("init")
    assert again["changed"] is False
    assert "accountKey" not in again
    assert set(_files(postroom)) == set(files)
    settings_and_secret = [file for file in files if file.suffix in {".toml", ".key"}]
    assert settings_and_secret
    assert all(file.read_bytes() == files[file] for file in settings_and_secret)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(postroom.data.stat().st_mode) == 0o700
    keys = postroom.keys
    secrets = [keys["accountKey"], keys["subAccount"]["key"], keys["anypostKey"]]
    secrets += [keys["postscaleKey"], keys["dashboard"]["password"]]
    for content in files.values():
        assert not any(secret.encode() in content for secret in secrets)


def _files(postroom: Postroom) -> list[Path]:
    return [file for file in postroom.data.rglob("*") if file.is_file()]
