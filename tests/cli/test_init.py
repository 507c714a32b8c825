"""`postroom init`."""

import json
import sqlite3
from pathlib import Path

import pytest
from cryptography import x509

from appliance.flow import ports

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
    modes = {one: one.stat().st_mode & 0o777 for one in data.rglob("*")}
    assert modes == {one: 0o700 if one.is_dir() else 0o600 for one in modes}
    assert (data / "tls" / "key.pem") in modes


def test_only_this_machine_is_listened_to(postroom: Postroom) -> None:
    """Loopback unless the operator asks for more, and no privileged port."""
    postroom("init")
    facts = json.loads(postroom("config", "print", "--json").stdout)
    assert facts["http.bind"]["value"] == "127.0.0.1:8025"
    assert facts["smtp.submission"]["value"] == "127.0.0.1:2587"
    assert facts["smtp.submissions"]["value"] == "127.0.0.1:2465"
    assert "postroom.toml" in facts["http.bind"]["from"]


def test_a_system_listens_where_it_is_expected(
    postroom: Postroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The world's ports; one that another program has is left to it, and named."""
    monkeypatch.setattr(ports, "ports_in_use", lambda: {22, 25})
    monkeypatch.setattr(ports, "has_ipv6", lambda: False)
    said = postroom("init", "--system").stdout
    facts = json.loads(postroom("config", "print", "--json").stdout)
    assert facts["http.bind"]["value"] == "0.0.0.0:8025"
    assert facts["smtp.submission"]["value"] == "0.0.0.0:587, 0.0.0.0:2587"
    assert facts["smtp.submissions"]["value"] == "0.0.0.0:465"
    assert facts["smtp.mx"]["value"] == ""
    assert "port 25, so smtp.mx leaves it out" in said
    assert 'write mx = "0.0.0.0:25" below [smtp] in postroom.toml' in said


def test_what_is_left_out_is_told_to_scripts(
    postroom: Postroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the one object that holds the keys."""
    monkeypatch.setattr(ports, "ports_in_use", lambda: {25})
    (note,) = json.loads(postroom("init", "--system", "--json").stdout)["notes"]
    assert "port 25" in note


def test_the_certificate_is_for_the_smtp_name(
    postroom: Postroom, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the settings say before init counts."""
    monkeypatch.setenv("POSTROOM_SMTP_HOST", "mail.example.com")
    postroom("init")
    made = x509.load_pem_x509_certificate((data / "tls/cert.pem").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["mail.example.com"]


def test_who_has_a_certificate_is_made_none(
    postroom: Postroom, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing lies about that nobody needs."""
    monkeypatch.setenv("POSTROOM_SMTP_CERTIFICATE", "/etc/ssl/mail.pem")
    assert postroom("init").exit_code == 0
    assert not (data / "tls").exists()


def test_a_key_of_no_use_is_named(postroom: Postroom, data: Path) -> None:
    """It may be somebody's: it is not replaced."""
    (data / "tls").mkdir(parents=True)
    (data / "tls" / "key.pem").write_text("x")
    result = postroom("init")
    assert result.exit_code == 1
    assert "the private key cannot be read" in result.stderr
    assert str(data / "tls" / "key.pem") in result.stderr
    assert (data / "tls" / "key.pem").read_text() == "x"


def test_settings_that_are_wrong_are_named(postroom: Postroom, data: Path) -> None:
    """Before anything is made."""
    data.mkdir()
    (data / "postroom.toml").write_text("[smtp]\nhots = 'x'\n")
    result = postroom("init")
    assert result.exit_code == 1
    assert "did you mean smtp.host?" in result.stderr
    assert [one.name for one in data.iterdir()] == ["postroom.toml"]


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
