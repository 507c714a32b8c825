"""`postroom status`."""

import json
import socket
from pathlib import Path

from .conftest import Postroom


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


def test_a_server_counts_as_running_when_its_door_answers(
    ready: Postroom, data: Path
) -> None:
    """A file that a killed server left behind is not believed."""
    (data / "run").mkdir()
    (data / "run" / "control.key").write_text("secret-of-the-run")
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"127.0.0.1:{door.getsockname()[1]}"
        addresses = {"http": address, "live": f"ws://{address}/live"}
        (data / "run" / "addresses.json").write_text(json.dumps(addresses))
        result = ready("status", "--json")
        facts = json.loads(result.stdout)
        assert facts["running"] is True
        assert facts["addresses"] == addresses
        assert "secret-of-the-run" not in result.output + ready("status").output
    assert json.loads(ready("status", "--json").stdout)["running"] is False


def test_a_damaged_file_of_addresses_is_no_server(ready: Postroom, data: Path) -> None:
    """Whatever is in it, the command works."""
    (data / "run").mkdir()
    (data / "run" / "control.key").write_text("x")
    for content in ("", "[]", "5", '{"http": 7}', '{"http": "x:y"}', "\xff"):
        (data / "run" / "addresses.json").write_text(content, encoding="latin-1")
        assert json.loads(ready("status", "--json").stdout)["running"] is False
