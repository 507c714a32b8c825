from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from appliance.core.password import hash_password
from appliance.edge.dashboard.doorman import MAX_CHARS, REMEMBERED, Doorman
from appliance.store.accounts import create_account
from appliance.store.database import Store
from appliance.store.transaction import Tx
from tests.fakes.store import NOW_NS, open_temp_store

USER, PASSWORD = "admin", "correct horse"


@dataclass
class Claim:
    """What a request says."""

    username: str | None = USER
    password: str | None = PASSWORD


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with one user."""
    async with open_temp_store(tmp_path) as opened:
        made = hash_password(PASSWORD)
        await opened.write(create_account, "acme", USER, made, NOW_NS)
        yield opened


def change_password(tx: Tx, password: str) -> None:
    """What a command would do."""
    tx.db.execute("UPDATE user SET password_hash = ?", (hash_password(password),))


async def test_the_right_password_is_admitted(store: Store) -> None:
    """And admitted again from memory, which asks no thread."""
    doorman = Doorman(store)
    assert await doorman.admits(Claim())
    async with doorman._one_at_a_time:  # no password can be checked meanwhile
        with trio.fail_after(5):
            assert await doorman.admits(Claim())


async def test_anything_else_is_not(store: Store) -> None:
    """Wrong, empty, missing, for someone else, or too long to be looked at."""
    doorman = Doorman(store)
    assert await doorman.admits(Claim())
    for claim in (
        None,
        Claim(None, None),
        Claim(USER, None),
        Claim(USER, ""),
        Claim(USER, PASSWORD + " "),
        Claim("", PASSWORD),
        Claim("nobody", PASSWORD),
        Claim(USER.upper(), PASSWORD),
        Claim(f"{USER}\0correct", "horse"),
        Claim(USER, "x" * (MAX_CHARS + 1)),
        Claim("x" * (MAX_CHARS + 1), PASSWORD),
    ):
        assert not await doorman.admits(claim), claim


async def test_an_unknown_user_takes_the_same_way(store: Store) -> None:
    """ATTACKS 20: a password is checked for nobody too, so time tells nothing."""
    doorman = Doorman(store)
    for name in (USER, "nobody"):
        async with trio.open_nursery() as nursery, doorman._one_at_a_time:
            nursery.start_soon(doorman.admits, Claim(name, "wrong"))
            with trio.fail_after(5):  # it comes to wait for the one thread
                while not doorman._one_at_a_time.statistics().tasks_waiting:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


async def test_a_changed_password_ends_what_was_remembered(store: Store) -> None:
    """ATTACKS 20: at once, for every browser that had the old one."""
    doorman = Doorman(store)
    assert await doorman.admits(Claim())
    await store.write(change_password, "new")
    assert not await doorman.admits(Claim())
    assert await doorman.admits(Claim(password="new"))
    await store.write(change_password, PASSWORD)
    assert not await doorman.admits(Claim(password="new"))


async def test_little_is_remembered_and_no_password(store: Store) -> None:
    """ATTACKS 27: hashes only, and only so many."""
    doorman = Doorman(store)
    assert await doorman.admits(Claim())
    assert PASSWORD not in repr(vars(doorman))
    for number in range(3 * REMEMBERED):
        doorman._remember(b"%d" % number, "stored")
    assert len(doorman._known) == REMEMBERED
