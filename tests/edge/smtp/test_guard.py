"""Failed logins: who is shut out, for how long, and who is not."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.edge.smtp import guard as guard_module
from appliance.edge.smtp.guard import Guard, Thresholds
from appliance.flow.directory import DirectoryKeeper
from appliance.settings.doors import Smtp
from appliance.store.database import Store
from appliance.store.login_blocks import lift_login_block
from tests.fakes.store import NOW_NS, open_temp_store

EVE = "192.0.2.66"
OWNER = "192.0.2.1"
MINUTE = 60 * 10**9


class Clock:
    """The time as the test wants it."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        """What it is now."""
        return self.now_ns


class Post:
    """A guard over a real store, and what it takes to move it."""

    def __init__(self, store: Store, directory: DirectoryKeeper) -> None:
        self.store = store
        self.directory = directory
        self.clock = Clock()
        self.guard = self.another()

    def another(self) -> Guard:
        """As it is after a restart."""
        return Guard(self.store, self.directory, Thresholds.of(Smtp()), self.clock)

    async def guess(self, address: str, times: int = 5) -> None:
        """So many wrong logins, a second apart."""
        for _ in range(times):
            await self.guard.failed(address)
            self.clock.now_ns += 10**9

    def is_blocked(self, address: str) -> bool:
        """True if nobody may log in from there."""
        return self.guard.blocked_until_ns(address) > self.clock.now_ns


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    """A guard at work."""
    async with open_temp_store(tmp_path) as store:
        yield Post(store, await DirectoryKeeper.load(store))


async def test_guessing_is_blocked_for_a_while(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """ATTACKS 3: the fifth failure within ten minutes shuts out, and is logged."""
    await post.guess(EVE, 4)
    assert not post.is_blocked(EVE)
    await post.guess(EVE, 1)
    assert post.is_blocked(EVE)
    until = post.guard.blocked_until_ns(EVE)
    assert until == NOW_NS + 4 * 10**9 + 15 * MINUTE
    (line,) = [one for one in caplog.records if one.message == "smtp.blocked"]
    assert line.levelno == logging.WARNING
    post.clock.now_ns = until
    assert not post.is_blocked(EVE)
    assert post.guard.blocked_until_ns(EVE) == 0


async def test_slow_guessing_is_let_be(post: Post) -> None:
    """A person who mistypes every now and then is not shut out."""
    for _ in range(20):
        await post.guess(EVE, 1)
        post.clock.now_ns += 3 * MINUTE
    assert not post.is_blocked(EVE)


async def test_a_right_login_forgives(post: Post) -> None:
    """The count begins anew."""
    for _ in range(5):
        await post.guess(OWNER, 4)
        post.guard.succeeded(OWNER)
    assert not post.is_blocked(OWNER)
    post.guard.succeeded("192.0.2.250")  # who never failed


async def test_nobody_else_is_locked_out(post: Post) -> None:
    """ATTACKS 3: whatever is tried from elsewhere, the owner's addresses are open."""
    await post.guess(EVE, 50)
    await post.guess("2001:db8:0:66::1", 50)
    assert post.is_blocked(EVE)
    for other in (OWNER, "192.0.2.67", "2001:db8:0:67::1"):
        assert not post.is_blocked(other)


async def test_all_of_a_64_is_one_guesser(post: Post) -> None:
    """ATTACKS 3: another address of the same site gives no further tries."""
    for host in range(5):
        await post.guess(f"2001:db8:0:66::{host:x}", 1)
    assert post.is_blocked("2001:db8:0:66:ffff::1")


async def test_an_address_in_ipv6_dress_is_the_same(post: Post) -> None:
    """A socket for both families shows IPv4 addresses mapped."""
    await post.guess(f"::ffff:{EVE}")
    assert post.is_blocked(EVE)


async def test_each_further_block_is_twice_as_long(post: Post) -> None:
    """Also when the directory has not been read anew in between."""
    lengths = []
    for known in (True, False, True):
        await post.guess(EVE)
        if known:
            await post.directory.refresh()
        until = post.guard.blocked_until_ns(EVE)
        lengths.append(round((until - post.clock.now_ns) / MINUTE))
        post.clock.now_ns = until
    assert lengths == [15, 30, 60]


async def test_failures_while_blocked_count_for_nothing(post: Post) -> None:
    """Sessions that were open before prolong nothing."""
    await post.guess(EVE)
    until = post.guard.blocked_until_ns(EVE)
    await post.guess(EVE, 30)
    assert post.guard.blocked_until_ns(EVE) == until


async def test_a_restart_forgives_nothing(post: Post) -> None:
    """ATTACKS 3: a block is a row."""
    await post.guess(EVE)
    await post.directory.refresh()
    post.guard = post.another()
    assert post.is_blocked(EVE)


async def test_a_lifted_block_is_lifted_with_the_next_look(post: Post) -> None:
    """What another process did to the row counts, whoever remembered it before."""
    await post.guess(EVE)
    await post.store.write(lift_login_block, EVE)
    await post.directory.refresh()
    assert not post.is_blocked(EVE)
    await post.guess(EVE, 4)
    assert not post.is_blocked(EVE)


async def test_a_disk_that_takes_nothing_does_not_open_the_door(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """ATTACKS 3: then the block holds in memory, and the operator is told."""
    await post.store._writer._connection.execute_fetchall("PRAGMA query_only = 1")
    await post.guess(EVE)
    assert post.is_blocked(EVE)
    await post.directory.refresh()
    assert post.is_blocked(EVE)
    assert [one.message for one in caplog.records] == ["smtp.block_not_stored"]


async def test_memory_is_bounded(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """ATTACKS 3: guessing from everywhere is remembered for the latest only."""
    monkeypatch.setattr(guard_module, "MAX_ORIGINS", 10)
    for number in range(50):
        await post.guess(f"192.0.2.{number}", 4)
    assert len(post.guard._failures) == 10
    assert len(post.guard._fresh) == 0
    for number in range(40, 50):
        await post.guess(f"192.0.2.{number}", 1)
        await post.directory.refresh()
    assert len(post.guard._failures) == 0
    assert len(post.guard._fresh) == 1
