"""`postroom domain`, with a DNS server on loopback."""

import json
import socket
from pathlib import Path
from typing import Any

import dns.zone
import pytest

from tests.fakes.zone_thread import Zone

from .conftest import Postroom


def facts_of(ready: Postroom, *words: str) -> dict[str, Any]:
    """What a command prints as one object."""
    facts: dict[str, Any] = json.loads(ready("domain", *words, "--json").stdout)
    return facts


def records(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The records in an answer by their purpose."""
    return {one["purpose"]: one for one in facts["records"]}


@pytest.mark.usefixtures("zone")
def test_a_domain_comes_with_keys_and_records(ready: Postroom) -> None:
    """Two DKIM keys, return path, tracking host and DMARC, none of them verified."""
    facts = facts_of(ready, "add", "Example.COM.")
    assert facts["name"] == "example.com"
    assert facts["verified"] is False
    found = records(facts)
    assert set(found) == {"dkim", "dkim-ed25519", "return-path", "tracking", "dmarc"}
    assert found["dkim"]["host"] == "sp-dkim._domainkey.example.com"
    assert "k=rsa" in found["dkim"]["value"]
    assert len(found["dkim"]["value"]) > 390  # 2048 bits
    assert "k=ed25519" in found["dkim-ed25519"]["value"]
    assert found["return-path"]["value"] == "bounce.example.net"
    assert found["tracking"]["value"] == "mail.example.net"


@pytest.mark.usefixtures("zone")
def test_records_are_printed_for_zone_files_and_for_people(ready: Postroom) -> None:
    """The zone lines are complete, and the table has long values in strings."""
    out = ready("domain", "add", "example.com").stdout
    lines = [one for one in out.splitlines() if " 3600 IN " in one]
    assert len(lines) == 5
    for one in lines:
        dns.zone.from_text(one, "example.com", check_origin=False)
    shown = out.partition("FOR ")[2].splitlines()
    assert len(shown) == 1 + 5 + 1  # the long key has a second line
    assert max(map(len, shown)) < 255 + 100


def test_a_domain_is_verified_when_its_records_are_published(
    ready: Postroom, zone: Zone
) -> None:
    """What was printed, put into the zone as it is, is what is looked for."""
    facts = facts_of(ready, "add", "example.com")
    assert ready("domain", "verify", "example.com").exit_code == 1
    zone.lines = [one["zone"] for one in facts["records"]]
    result = ready("domain", "verify", "example.com", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["verified"] is True
    assert {one["proof"] for one in found["records"]} == {"dns"}
    assert facts_of(ready, "show", "example.com")["verified"] is True
    assert "verified (dns)" in ready("domain", "list").stdout


def test_what_was_found_stands_beside_what_was_expected(
    ready: Postroom, zone: Zone
) -> None:
    """The operator sees the difference, and the status is 1 without DKIM."""
    facts = facts_of(ready, "add", "example.com")
    wrong = {"return-path": "other.example.org.", "dkim": '"v=DKIM1; p=AAAA"'}
    zone.lines = [
        " ".join([*one["zone"].split()[:4], wrong[one["purpose"]]])
        for one in facts["records"]
        if one["purpose"] in wrong
    ]
    result = ready("domain", "verify", "example.com")
    assert result.exit_code == 1
    assert "found     other.example.org" in result.stdout
    assert "expected  bounce.example.net" in result.stdout
    assert "found     v=DKIM1; p=AAAA" in result.stdout
    assert "found     nothing" in result.stdout
    assert "postroom domain trust example.com" in result.stderr
    found = records(facts_of(ready, "verify", "example.com"))
    assert found["return-path"]["found"] == ["other.example.org"]
    assert found["tracking"]["found"] == []
    assert found["dkim"]["verified"] is False


@pytest.mark.usefixtures("zone")
def test_trust_is_recorded_as_the_operators_word(ready: Postroom) -> None:
    """DKIM and return path; the tracking host only when it is named."""
    ready("domain", "add", "example.com")
    facts = facts_of(ready, "trust", "example.com")
    assert facts["verified"] is True
    proofs = {purpose: one["proof"] for purpose, one in records(facts).items()}
    assert proofs == {
        "dkim": "operator",
        "dkim-ed25519": "operator",
        "return-path": "operator",
        "tracking": "none",
        "dmarc": "none",
    }
    facts = facts_of(ready, "trust", "example.com", "--tracking")
    assert records(facts)["tracking"]["proof"] == "operator"
    assert "verified (operator)" in ready("domain", "list").stdout


def test_a_resolver_that_is_silent_proves_nothing(
    ready: Postroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict is that nobody answered, within the time that is set."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        monkeypatch.setenv("POSTROOM_DNS_NAMESERVERS", f"127.0.0.1:{port}")
        monkeypatch.setenv("POSTROOM_DNS_TIMEOUT", "100ms")
        ready("domain", "add", "example.com")
        result = ready("domain", "verify", "example.com")
    assert result.exit_code == 1
    assert "no resolver answered" in result.stdout


def test_a_domain_is_added_once_and_removed_for_good(ready: Postroom) -> None:
    """Afterwards it is as unknown as any other."""
    ready("domain", "add", "example.com")
    result = ready("domain", "add", "EXAMPLE.com")
    assert result.exit_code == 1
    assert "there is a domain example.com already" in result.stderr
    assert facts_of(ready, "remove", "example.com") == {
        "name": "example.com",
        "removed": True,
    }
    for command in ("show", "verify", "trust", "remove"):
        result = ready("domain", command, "example.com")
        assert result.exit_code == 1
        assert "postroom domain add example.com" in result.stderr


NO_DOMAINS = ["", "x", "a b.com", "-a.com", "a..com", "x" * 300, "127.0.0.1", "::1"]


@pytest.mark.parametrize("name", NO_DOMAINS)
def test_what_is_no_domain_is_refused(ready: Postroom, name: str) -> None:
    """Nothing is stored under a name that DNS cannot have."""
    assert ready("domain", "add", "--", name).exit_code == 1
    assert not ready("domain", "list", "--json").stdout


def test_names_in_their_own_script_are_taken(ready: Postroom) -> None:
    """They are kept as A-labels (RFC 5891), and found by either form."""
    assert facts_of(ready, "add", "bücher.example")["name"] == "xn--bcher-kva.example"
    assert facts_of(ready, "show", "BÜCHER.example")["verified"] is False


def test_a_local_host_name_is_warned_of(
    ready: Postroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that point to a name without a dot help nobody."""
    monkeypatch.setenv("POSTROOM_DOMAIN_PUBLIC_HOST", "debian")
    result = ready("domain", "add", "example.com")
    assert result.exit_code == 0
    assert "'debian' is no public host name" in result.stderr


def test_no_private_key_is_shown_or_stored_in_clear(
    ready: Postroom, data: Path
) -> None:
    """ATTACKS 27: the keys are sealed, and no command prints them."""
    out = "".join(
        ready("domain", *words).output
        for words in (["add", "example.com"], ["show", "example.com", "--json"])
    )
    stored = b"".join(one.read_bytes() for one in data.iterdir() if one.is_file())
    assert "PRIVATE" not in out
    assert b"PRIVATE" not in stored


def test_tracking_of_smtp_mail_is_said_for_each_domain(ready: Postroom) -> None:
    """Off at first; what is not named stays as it is."""
    ready("domain", "add", "shop.example")

    def track(*words: str) -> object:
        done = ready("domain", "track", "shop.example", "--json", *words)
        return json.loads(done.stdout)["tracking"]

    shown = json.loads(ready("domain", "show", "shop.example", "--json").stdout)
    assert shown["tracking"] == {"opens": False, "clicks": False}
    assert track("--opens") == {"opens": True, "clicks": False}
    assert track("--clicks") == {"opens": True, "clicks": True}
    assert track("--no-opens", "--no-clicks") == {"opens": False, "clicks": False}
    said = ready("domain", "track", "shop.example", "--clicks").stdout
    assert said == "Tracked in SMTP mail from shop.example: clicks.\n"


def test_tracking_wants_to_know_what(ready: Postroom) -> None:
    """A domain that is not there, and no word of what, are told apart."""
    assert ready("domain", "track", "shop.example").exit_code == 2
    assert ready("domain", "track", "shop.example", "--opens").exit_code == 1
