"""`postroom init`."""

import json
import sqlite3
from pathlib import Path

import pytest

from .conftest import Postroom


def contents(data: Path) -> dict[str, object]:
    """What is in every file; of the database, its rows."""
    db = sqlite3.connect(data / "postroom.db")
    rows = list(db.iterdump())
    db.close()
    files = {one.name: one.read_bytes() for one in data.iterdir() if one.is_file()}
    return {**files, "postroom.db": rows}


def test_everything_is_printed_once(postroom: Postroom, data: Path) -> None:
    """The first init prints the keys and the password, in one object."""
    facts = json.loads(postroom("init", "--json").stdout)
    assert list(facts) == [
        "data",
        "subAccount",
        "accountKey",
        "anypostKey",
        "postscaleKey",
        "dashboard",
    ]
    assert facts["data"] == str(data)
    assert facts["subAccount"]["id"] == 1
    assert facts["accountKey"] != facts["subAccount"]["key"]
    assert len(facts["accountKey"]) == len(facts["subAccount"]["key"]) == 43
    assert facts["anypostKey"].startswith("ap_")
    assert facts["postscaleKey"].startswith("ps_live_")
    assert facts["dashboard"]["user"] == "admin"
    assert len(facts["dashboard"]["password"]) >= 20


def test_a_second_init_changes_nothing_and_shows_nothing(
    postroom: Postroom, data: Path
) -> None:
    """It says so, as text and as JSON, and no file changes."""
    first = json.loads(postroom("init", "--json").stdout)
    before = contents(data)
    again = postroom("init", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"data": first["data"], "changed": False}
    assert "nothing was changed" in postroom("init").stdout
    assert contents(data) == before


def test_text_shows_the_same_secrets(postroom: Postroom) -> None:
    """A person gets every key, and is told that this is the only time."""
    out = postroom("init").stdout
    assert "ap_" in out
    assert "ps_live_" in out
    assert "Dashboard password" in out
    assert "shown this once" in out


def test_no_secret_is_stored_in_clear(postroom: Postroom, data: Path) -> None:
    """ATTACKS 27: what is on the disk opens nothing."""
    facts = json.loads(postroom("init", "--json").stdout)
    secrets = [
        facts["accountKey"],
        facts["subAccount"]["key"],
        facts["anypostKey"],
        facts["postscaleKey"],
        facts["dashboard"]["password"],
    ]
    stored = b"".join(one.read_bytes() for one in data.rglob("*") if one.is_file())
    assert not [one for one in secrets if one.encode() in stored]


def test_the_folder_is_the_owners_alone(postroom: Postroom, data: Path) -> None:
    """ATTACKS 27: folders are 0700, files 0600."""
    postroom("init")
    assert data.stat().st_mode & 0o777 == 0o700
    modes = {one.name: one.stat().st_mode & 0o777 for one in data.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)


@pytest.mark.parametrize(
    ("words", "bind"), [((), "127.0.0.1:8025"), (("--system",), "0.0.0.0:8025")]
)
def test_only_a_system_listens_to_others(
    postroom: Postroom, words: tuple[str, ...], bind: str
) -> None:
    """Loopback unless the operator asks for more; no privileged port either way."""
    postroom("init", *words)
    facts = json.loads(postroom("config", "print", "--json").stdout)
    assert facts["http.bind"]["value"] == bind
    assert "postroom.toml" in facts["http.bind"]["from"]


def test_a_folder_of_somebody_else_is_refused(postroom: Postroom, data: Path) -> None:
    """A home folder is not taken over by mistake."""
    data.mkdir(mode=0o755)
    (data / "thesis.odt").write_text("x")
    result = postroom("init")
    assert result.exit_code == 1
    assert "thesis.odt" in result.stderr
    assert [one.name for one in data.iterdir()] == ["thesis.odt"]
    assert data.stat().st_mode & 0o777 == 0o755


def test_the_password_opens_what_is_stored(postroom: Postroom, data: Path) -> None:
    """The hash is of the password that was shown."""
    from appliance.core.password import check_password

    password = json.loads(postroom("init", "--json").stdout)["dashboard"]["password"]
    db = sqlite3.connect(data / "postroom.db")
    (stored,) = db.execute("SELECT password_hash FROM user").fetchone()
    db.close()
    assert check_password(password, stored)
    assert not check_password(password + "x", stored)
