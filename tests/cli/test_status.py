"""`postroom status`."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

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
        "nextDue": None,
        "lastEvent": None,
        "providers": ["capture"],
        "pools": ["sandbox"],
        "defaultPool": "sandbox",
        "domains": {},
        "blocked": {},
    }


def test_what_waits_is_counted(ready: Postroom) -> None:
    """The oldest due moment and the newest event are named."""
    ready("domain", "add", "example.com")
    ready("domain", "trust", "example.com")
    mail = ("--from", "a@example.com", "--to", "b@example.net", "--subject", "x")
    ready("send", *mail, "--text", "x")
    facts = json.loads(ready("status", "--json").stdout)
    assert facts["queued"] == 1
    assert facts["nextDue"] == facts["lastEvent"]["at"]
    assert facts["lastEvent"]["number"] == 1
    assert facts["domains"] == {"example.com": True}
    text = ready("status").stdout
    assert "example.com: yes" in text
    assert "Server runs         no" in text


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
