"""`postroom unblock`, and what `postroom status` shows of blocks."""

import json
import time
from pathlib import Path

import pytest

from appliance.flow.setup import DataFolder, open_data
from appliance.store.login_blocks import block_login

from .conftest import Postroom

MINUTE_NS = 60 * 10**9


async def block(data: Path, origin: str, now_ns: int = 0) -> None:
    """Let nobody log in from there for a minute."""
    async with open_data(DataFolder(data)) as store:
        now_ns = now_ns or time.time_ns()
        await store.write(block_login, origin, now_ns, MINUTE_NS)


@pytest.fixture
def blocked(ready: Postroom, data: Path) -> Postroom:
    """Two that are blocked, and one that was."""
    import trio

    trio.run(block, data, "192.0.2.66")
    trio.run(block, data, "2001:db8:0:66::/64")
    trio.run(block, data, "192.0.2.7", time.time_ns() - 2 * MINUTE_NS)
    return ready


def test_status_shows_who_is_blocked(blocked: Postroom) -> None:
    """And until when; a block that has ended is no news."""
    shown = json.loads(blocked("status", "--json").stdout)["blocked"]
    assert set(shown) == {"192.0.2.66", "2001:db8:0:66::/64"}
    text = blocked("status").stdout
    assert f"2001:db8:0:66::/64: {shown['2001:db8:0:66::/64']}" in text


@pytest.mark.parametrize(
    "address",
    ["192.0.2.66", "::ffff:192.0.2.66", "2001:db8:0:66::/64", "2001:DB8:0:66::9"],
)
def test_a_block_is_lifted(blocked: Postroom, address: str) -> None:
    """By any address that it holds for, in any spelling."""
    result = blocked("unblock", address)
    assert result.exit_code == 0
    assert "may log in again" in result.stdout
    assert len(json.loads(blocked("status", "--json").stdout)["blocked"]) == 1


def test_scripts_are_told(blocked: Postroom) -> None:
    """By the name that status has for it."""
    told = json.loads(blocked("unblock", "2001:db8:0:66::1", "--json").stdout)
    assert told == {"address": "2001:db8:0:66::/64", "unblocked": True}


def test_who_is_not_blocked_is_said(blocked: Postroom) -> None:
    """Status 1: the operator looks for another address."""
    result = blocked("unblock", "192.0.2.1")
    assert result.exit_code == 1
    assert "192.0.2.1 is not blocked" in result.stderr


@pytest.mark.parametrize("address", ["x", "", "192.0.2.0/24", "1.2.3.4:25"])
def test_what_is_no_address_is_wrong_usage(ready: Postroom, address: str) -> None:
    """Status 2, before anything is opened."""
    assert ready("unblock", address).exit_code == 2
