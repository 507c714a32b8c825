"""`postroom key`."""

import json
from pathlib import Path

import pytest

from .conftest import Postroom


def made(ready: Postroom, *words: str) -> dict[str, object]:
    """What `key add` says of a new key."""
    result = ready("key", "add", "--json", *words)
    assert result.exit_code == 0, result.stderr
    facts: dict[str, object] = json.loads(result.stdout)
    return facts


def listed(ready: Postroom) -> list[dict[str, object]]:
    """All keys."""
    return [
        json.loads(one) for one in ready("key", "list", "--json").stdout.splitlines()
    ]


@pytest.mark.parametrize(
    ("dialect", "prefix"),
    [("sendpost", ""), ("anypost", "ap_"), ("postscale", "ps_live_"), ("smtp", "")],
)
def test_a_key_looks_as_its_dialect_wants(
    ready: Postroom, dialect: str, prefix: str
) -> None:
    """43 characters of letters and digits behind the prefix."""
    key = str(made(ready, "--dialect", dialect)["key"])
    assert key.startswith(prefix)
    assert len(key) == len(prefix) + 43


def test_a_key_is_shown_once(ready: Postroom, data: Path) -> None:
    """ATTACKS 27: neither the list nor the disk has more than its last characters."""
    words = ("--dialect", "smtp", "--scope", "send_only", "--name", "shop")
    facts = made(ready, *words, "--allowed-domain", "Example.COM")
    key = str(facts["key"])
    last = listed(ready)[-1]
    assert last["hint"] == key[-4:]
    assert last["scope"] == "send_only"
    assert last["name"] == "shop"
    assert last["allowedDomains"] == ["example.com"]
    assert last["subAccount"] == 1
    assert "key" not in last
    assert key not in ready("key", "list").stdout
    assert key.encode() not in (data / "postroom.db").read_bytes()


def test_a_key_of_the_account_has_no_sub_account(ready: Postroom) -> None:
    """The account's own key is asked for by name."""
    assert made(ready, "--dialect", "sendpost", "--account")["subAccount"] is None


def test_a_key_cannot_be_of_both(ready: Postroom) -> None:
    """Contradiction is wrong usage."""
    words = ("--dialect", "smtp", "--account", "--sub-account", "1")
    assert ready("key", "add", *words).exit_code == 2


def test_the_sub_account_is_named_by_id_or_name(ready: Postroom) -> None:
    """What is not there is refused, with what is."""
    assert (
        made(ready, "--dialect", "smtp", "--sub-account", "default")["subAccount"] == 1
    )
    result = ready("key", "add", "--dialect", "smtp", "--sub-account", "7")
    assert result.exit_code == 1
    assert "there is no sub-account 7" in result.stderr
    assert "1 (default)" in result.stderr


def test_a_revoked_key_is_said_to_be(ready: Postroom) -> None:
    """It stays in the list with the moment; revoking again changes nothing."""
    uuid = str(made(ready, "--dialect", "smtp")["id"])
    assert ready("key", "revoke", uuid).exit_code == 0
    first = listed(ready)[-1]["revoked"]
    assert first is not None
    assert json.loads(ready("key", "revoke", uuid, "--json").stdout)["revoked"] is True
    assert listed(ready)[-1]["revoked"] == first
    assert "revoked 20" in ready("key", "list").stdout


def test_an_unknown_key_is_refused(ready: Postroom) -> None:
    """An id that is none is wrong usage; one that is nobody's is a refusal."""
    assert ready("key", "revoke", "x").exit_code == 2
    nobody = "0190163d-8694-739b-aea5-966c26f8ad91"
    result = ready("key", "revoke", nobody)
    assert result.exit_code == 1
    assert "postroom key list" in result.stderr


def test_an_smtp_password_comes_with_a_user_name(ready: Postroom) -> None:
    """One is made unless it is given; both are said once, the name also later."""
    facts = made(ready, "--smtp")
    assert facts["dialect"] == "smtp"
    assert str(facts["username"]).startswith("smtp_")
    chosen = made(ready, "--smtp", "--username", "wordpress")
    assert chosen["username"] == "wordpress"
    assert listed(ready)[-1]["username"] == "wordpress"
    shown = ready("key", "add", "--smtp", "--username", "cron").stdout
    assert "User name: cron\n" in shown
    assert "Password:  " in shown


def test_a_user_name_is_one_credential_s(ready: Postroom) -> None:
    """Until that is revoked: then the name is free again."""
    first = made(ready, "--smtp", "--username", "shop")
    again = ready("key", "add", "--smtp", "--username", "shop")
    assert again.exit_code == 1
    assert "shop is in use" in again.stderr
    ready("key", "revoke", str(first["id"]))
    assert made(ready, "--smtp", "--username", "shop")["username"] == "shop"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--smtp", "--username", "Postscale"), "no user name"),
        (("--smtp", "--username", "a b"), "no user name"),
        (("--dialect", "anypost", "--username", "x"), "goes with --smtp"),
        (("--smtp", "--dialect", "anypost"), "exclude each other"),
        ((), "--dialect, or --smtp"),
        (("--smtp", "--test"), "no test keys of smtp"),
        (("--smtp", "--allowed-ip", "192.0.2.300"), "no address or network"),
        (("--dialect", "sendpost", "--allowed-ip", "192.0.2.3"), "over SMTP"),
    ],
)
def test_what_cannot_be_a_key_is_refused(
    ready: Postroom, words: tuple[str, ...], complaint: str
) -> None:
    """Wrong usage, with the reason, and nothing is stored."""
    before = listed(ready)
    result = ready("key", "add", *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert listed(ready) == before


def test_a_key_may_be_bound_to_addresses(ready: Postroom) -> None:
    """As given; the list shows them."""
    networks = ("--allowed-ip", "192.0.2.0/24", "--allowed-ip", "2001:db8::1")
    facts = made(ready, "--dialect", "anypost", *networks)
    assert facts["allowedIps"] == ["192.0.2.0/24", "2001:db8::1/128"]
    assert "192.0.2.0/24" in ready("key", "list").stdout


def test_a_test_key_tells_by_its_text(ready: Postroom) -> None:
    """The prefix is the vendor's, so that programs see what they have."""
    facts = made(ready, "--dialect", "postscale", "--test")
    assert str(facts["key"]).startswith("ps_test_")
