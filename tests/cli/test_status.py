"""`postroom status`."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest
import trio

from appliance.core.breaker import Health
from appliance.flow.setup import DataFolder, open_data
from appliance.store.health import save_health
from appliance.store.providers import list_providers
from appliance.store.returns import add_return_counts

from .conftest import Postroom

ADDRESSES = {"http": "127.0.0.1:8025", "live": "ws://127.0.0.1:8025/live"}


def leave_files(data: Path, addresses: object) -> None:
    """What a server has in its folder while it runs, and leaves if it is killed."""
    (data / "run").mkdir()
    (data / "run" / "lock").touch()
    (data / "run" / "control.key").write_text("secret-of-the-run")
    (data / "run" / "addresses.json").write_text(json.dumps(addresses))


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold what a running server holds."""
    descriptor = os.open(data / "run" / "lock", os.O_WRONLY)
    try:
        flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_a_stopped_server_has_a_status(ready: Postroom, data: Path) -> None:
    """Everything is told from the database."""
    facts = json.loads(ready("status", "--json").stdout)
    assert facts == {
        "data": str(data),
        "running": False,
        "addresses": None,
        "queued": 0,
        "inFlight": 0,
        "held": 0,
        "inDoubt": 0,
        "nextDue": None,
        "lastEvent": None,
        "providers": ["capture"],
        "down": {},
        "pools": ["sandbox"],
        "defaultPool": "sandbox",
        "domains": {},
        "blocked": {},
        "returned": {},
    }


def test_what_waits_is_counted(sender: Postroom) -> None:
    """The oldest due moment and the newest event are named."""
    mail = ("--from", "a@example.com", "--to", "b@example.net", "--subject", "x")
    sender("send", *mail, "--text", "x")
    facts = json.loads(sender("status", "--json").stdout)
    assert facts["queued"] == 1
    assert facts["nextDue"] == facts["lastEvent"]["at"]
    assert facts["lastEvent"]["number"] == 1
    assert facts["domains"] == {"example.com": True}
    text = sender("status").stdout
    assert "example.com: yes" in text
    assert "Server runs         no" in text


def test_an_upstream_that_is_down_is_named(ready: Postroom, data: Path) -> None:
    """Since when, why, and when it is tried next; the list of providers says so too."""
    where = ("--host", "127.0.0.1", "--port", "25", "--security", "none", "--no-test")
    assert ready("provider", "add", "mta", *where).exit_code == 0
    trio.run(_let_down, data)
    facts = json.loads(ready("status", "--json").stdout)
    assert facts["down"] == {
        "mta": {
            "state": "on trial",
            "failures": 4,
            "since": "2023-11-14T22:13:20.000Z",
            "nextTrial": "2023-11-14T22:14:20.000Z",
            "lastError": "no route to host",
            "lastErrorAt": "2023-11-14T22:13:20.000Z",
        }
    }
    assert "no route to host" in ready("status").stdout
    listed = ready("provider", "list", "--json").stdout.splitlines()
    capture, mta = (json.loads(one)["health"] for one in listed)
    assert (capture["state"], mta["state"]) == ("up", "on trial")
    assert "no route to host" in ready("provider", "list").stdout


async def _let_down(data: Path) -> None:
    now_ns = 1_700_000_000_000_000_000
    health = Health(4, now_ns, now_ns + 60_000_000_000, "no route to host", now_ns)
    async with open_data(DataFolder(data)) as store:
        mta = (await store.read(list_providers))[-1]
        await store.write_each(save_health, (mta.id, health))


@pytest.mark.parametrize("addresses", [ADDRESSES, {"http": "", "live": ""}])
def test_a_server_runs_while_it_holds_its_lock(
    ready: Postroom, data: Path, addresses: dict[str, str]
) -> None:
    """With the HTTP door open or off; its key is never shown."""
    leave_files(data, addresses)
    with locked(data):
        result = ready("status", "--json")
        facts = json.loads(result.stdout)
        assert facts["running"] is True
        assert facts["addresses"] == addresses
        told = ready("status").stdout
        assert f"http: {addresses['http'] or 'none'}" in told
        assert "secret-of-the-run" not in result.output + told
    assert json.loads(ready("status", "--json").stdout)["running"] is False


def test_a_stranger_on_the_port_is_no_server(ready: Postroom, data: Path) -> None:
    """The files of a killed server are not believed, whoever answers there now."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        leave_files(data, {"http": address, "live": f"ws://{address}/live"})
        assert json.loads(ready("status", "--json").stdout)["running"] is False


def test_a_damaged_file_of_addresses_is_no_server(ready: Postroom, data: Path) -> None:
    """Whatever is in it, the command works."""
    leave_files(data, {})
    with locked(data):
        for content in ("", "[]", "5", "{", "\xff"):
            (data / "run" / "addresses.json").write_text(content, encoding="latin-1")
            assert json.loads(ready("status", "--json").stdout)["running"] is False


def test_what_came_back_is_counted(ready: Postroom, data: Path) -> None:
    """ATTACKS 24: forged return paths among it."""
    trio.run(_let_come, data)
    facts = json.loads(ready("status", "--json").stdout)
    assert facts["returned"] == {"hard bounces": 3, "refused: not for us": 1}
    assert "hard bounces: 3, refused: not for us: 1" in ready("status").stdout


async def _let_come(data: Path) -> None:
    counts = {"refused: not for us": 1, "hard bounces": 3}
    async with open_data(DataFolder(data)) as store:
        await store.write(add_return_counts, counts, 1)
