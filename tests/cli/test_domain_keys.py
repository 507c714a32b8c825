"""`postroom domain rotate`, `retire` and own keys, with a DNS server on loopback."""

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.mime.dkim_keys import generate_ed25519_key
from tests.fakes.keys import dkim_key
from tests.fakes.zone_thread import Zone

from .conftest import Postroom


def facts_of(ready: Postroom, *words: str) -> dict[str, Any]:
    """What a command prints as one object."""
    done = ready("domain", *words, "--json")
    assert done.exit_code == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def stages(facts: dict[str, Any]) -> dict[str, str]:
    """The keys in an answer, and where they are in their lives."""
    return {one["selector"]: one["stage"] for one in facts["keys"]}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """An own RSA key of 1024 bits."""
    file = tmp_path / "own.pem"
    file.write_bytes(dkim_key().private_pem)
    return file


def add(ready: Postroom, key_file: Path, *words: str) -> dict[str, Any]:
    """A domain under an own key, which is there sooner than a new one."""
    return facts_of(ready, "add", "example.com", "--key-file", str(key_file), *words)


def test_an_own_key_is_taken_under_an_own_name(ready: Postroom, key_file: Path) -> None:
    """Its record may be published already; the short key is warned of."""
    words = ("--key-file", str(key_file), "--selector", "Key1")
    done = ready("domain", "add", "example.com", *words)
    assert done.exit_code == 0
    assert "key1._domainkey.example.com. 3600 IN TXT" in done.stdout
    assert dkim_key().public[:200] in done.stdout
    assert "an RSA key of 1024 bits is short; use 2048" in done.stderr
    found = stages(facts_of(ready, "show", "example.com"))
    assert found == {"key1": "active", "key1-ed": "active"}


def test_a_new_key_waits_for_its_record(
    ready: Postroom, zone: Zone, key_file: Path
) -> None:
    """The old one signs until it is seen; then its record is kept for a week."""
    zone.lines = [one["zone"] for one in add(ready, key_file)["records"]]
    assert facts_of(ready, "verify", "example.com")["verified"] is True
    own = ("--key-file", str(key_file))
    done = ready("domain", "rotate", "example.com", "--selector", "key2", *own)
    assert done.exit_code == 0
    (line,) = [one for one in done.stdout.splitlines() if " 3600 IN TXT " in one]
    assert line.startswith("key2._domainkey.example.com. ")
    assert "signs with key2 once its record is seen" in done.stderr
    before = facts_of(ready, "verify", "example.com")
    assert (before["newKeys"], before["verified"]) == ([], True)
    assert stages(before)["key2"] == "next"

    zone.lines.append(line)
    done = ready("domain", "verify", "example.com")
    assert "example.com signs with key2 from now on" in done.stdout
    after = facts_of(ready, "show", "example.com")
    assert stages(after) == {
        "key2": "active",
        "sp-dkim": "retired",
        "sp-dkim-ed": "active",
    }
    assert after["verified"] is True
    shown = {one["host"] for one in after["records"]}
    assert "sp-dkim._domainkey.example.com" not in shown
    kept = ready("domain", "show", "example.com").stdout.partition("Keep these")[2]
    assert "sp-dkim._domainkey.example.com" in kept


def test_retired_keys_may_go_at_once(
    ready: Postroom, zone: Zone, key_file: Path
) -> None:
    """The record may go with them."""
    zone.lines = [one["zone"] for one in add(ready, key_file)["records"]]
    own = ("--key-file", str(key_file))
    rotated = facts_of(ready, "rotate", "example.com", "--selector", "key2", *own)
    assert rotated["key"]["stage"] == "next"
    zone.lines += [one["zone"] for one in rotated["records"]]
    assert facts_of(ready, "verify", "example.com")["newKeys"] == ["key2"]
    assert facts_of(ready, "retire", "example.com")["removed"] == ["sp-dkim"]
    done = ready("domain", "retire", "example.com")
    assert done.stdout == "example.com has no retired key.\n"
    assert set(stages(facts_of(ready, "show", "example.com"))) == {"key2", "sp-dkim-ed"}


def test_a_key_that_waits_may_be_taken_back(ready: Postroom, key_file: Path) -> None:
    """One that signs may not: it has to be replaced."""
    add(ready, key_file)
    facts_of(ready, "rotate", "example.com", "--ed25519")
    done = ready("domain", "rotate", "example.com", "--ed25519")
    assert done.exit_code == 1
    (waiting,) = (
        name
        for name, stage in stages(facts_of(ready, "show", "example.com")).items()
        if stage == "next"
    )
    assert waiting.startswith("sp-dkim-ed-2")
    assert f"postroom domain retire example.com --selector {waiting}" in done.stderr
    gone = facts_of(ready, "retire", "example.com", "--selector", waiting)
    assert gone["removed"] == [waiting]
    done = ready("domain", "retire", "example.com", "--selector", "sp-dkim")
    assert done.exit_code == 1
    assert "the key sp-dkim is in use" in done.stderr
    done = ready("domain", "retire", "example.com", "--selector", "nosuch")
    assert done.exit_code == 1
    assert "It has: sp-dkim, sp-dkim-ed" in done.stderr


def test_trust_lets_a_new_key_sign(ready: Postroom, key_file: Path) -> None:
    """Where nobody can look, the operator's word ends the wait."""
    add(ready, key_file)
    facts_of(ready, "trust", "example.com")
    own = ("--key-file", str(key_file))
    rotated = facts_of(ready, "rotate", "example.com", "--selector", "key2", *own)
    assert stages(rotated)["sp-dkim"] == "active"
    trusted = facts_of(ready, "trust", "example.com")
    assert stages(trusted)["key2"] == "active"
    assert trusted["verified"] is True


@pytest.mark.parametrize("command", ["add", "rotate"])
def test_what_is_no_key_is_refused(
    ready: Postroom, tmp_path: Path, key_file: Path, command: str
) -> None:
    """Nothing of the file is shown, and nothing is stored (ATTACKS 27)."""
    if command == "rotate":
        add(ready, key_file)
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(b"secret nonsense")
    words = (command, "example.com", "--key-file", str(wrong))
    done = ready("domain", *words)
    assert done.exit_code == 1
    assert "not an unencrypted private key in PEM" in done.stderr
    assert "secret" not in done.output
    done = ready("domain", *words[:2], "--key-file", str(tmp_path / "nosuch"))
    assert done.exit_code == 1
    assert "No such file" in done.stderr
    done = ready("domain", *words[:2], "--selector", "a_b")
    assert done.exit_code == 1
    assert "'a_b' is no selector" in done.stderr
    found = ready("domain", "list", "--json").stdout
    assert found.count("\n") == (command == "rotate")
    assert "next" not in found


def test_the_kind_of_an_own_key_is_its_own(
    ready: Postroom, tmp_path: Path, key_file: Path
) -> None:
    """An Ed25519 key replaces the Ed25519 key."""
    add(ready, key_file)
    ed = tmp_path / "ed.pem"
    ed.write_bytes(generate_ed25519_key("x").private_pem)
    words = ("rotate", "example.com", "--key-file", str(ed), "--selector", "ed2")
    assert facts_of(ready, *words)["key"]["algorithm"] == "ed25519-sha256"
    assert ready("domain", *words, "--ed25519").exit_code == 2


def test_no_private_key_is_shown(ready: Postroom, data: Path, key_file: Path) -> None:
    """ATTACKS 27: neither by a command nor in the files of the data folder."""
    add(ready, key_file)
    own = ("--key-file", str(key_file))
    out = "".join(
        ready("domain", *words).output
        for words in (
            ["rotate", "example.com", "--selector", "key2", *own],
            ["show", "example.com", "--json"],
            ["show", "example.com"],
        )
    )
    stored = b"".join(one.read_bytes() for one in data.iterdir() if one.is_file())
    assert "PRIVATE" not in out
    assert b"PRIVATE" not in stored
