"""Providers and pools against real Postfix servers."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Done, Postroom
from tests.fakes.programs import free_port, wait_until
from tests.integration.conftest import MakePostroom, StartPostfix
from tests.integration.house import (
    DOMAIN,
    POOL,
    accepted,
    add_upstream,
    api,
    delivery_of,
    furnish,
    mail,
)

pytestmark = pytest.mark.integration

MAILS = 100


def test_a_pool_of_three_shares_as_it_says(
    make_postroom: MakePostroom, start_postfix: StartPostfix
) -> None:
    """70, 20 and 10 per cent of 100 mails are 70, 20 and 10 mails."""
    postroom = make_postroom()
    shares = {"first": 70, "second": 20, "third": 10}
    servers = {name: start_postfix() for name in shares}
    for name, server in servers.items():
        add_upstream(postroom, name, server.port)
    parts = [f"{name}={percent}" for name, percent in shares.items()]
    postroom.run("pool", "add", POOL, *parts)
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)
    postroom.start()
    with api(postroom) as client:
        for number in range(MAILS):
            accepted(client, mail(f"user{number}@rcpt.example"))

    def arrived() -> dict[str, int]:
        return {name: server.count() for name, server in servers.items()}

    wait_until(lambda: sum(arrived().values()) >= MAILS, 30, f"{MAILS} mails")
    assert arrived() == shares


def test_cc_and_bcc_get_copies_of_their_own(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """Three copies, each with its return path; Cc is shown, Bcc to nobody."""
    postroom = make_postroom()
    furnish(postroom, postfix)
    postroom.start()
    person = {
        "email": "to@rcpt.example",
        "cc": [{"email": "cc@rcpt.example", "name": "Copy"}],
        "bcc": [{"email": "bcc@rcpt.example"}],
    }
    with api(postroom) as client:
        (uuid,) = accepted(client, mail([person]))
    arrived = {one.recipient: one for one in postfix.wait_for(3)}
    assert set(arrived) == {"to@rcpt.example", "cc@rcpt.example", "bcc@rcpt.example"}
    assert delivery_of(arrived["to@rcpt.example"]) == uuid
    paths = Counter(one.return_path for one in arrived.values())
    assert len(paths) == 3
    sub_account = postroom.keys["subAccount"]["id"]
    for one in arrived.values():
        own = f"bounces+{delivery_of(one)}+{sub_account}@sp-bounce.{DOMAIN}"
        assert one.return_path == own
        assert "Bcc" not in one.headers
        assert b"bcc@rcpt.example" not in one.raw.split(b"Subject:", 1)[1]
        assert "cc@rcpt.example" in str(one.headers["Cc"])
        assert "to@rcpt.example" in str(one.headers["To"])


def _add(postroom: Postroom, port: int, security: str, *more: str) -> Done:
    where = ("--host", "127.0.0.1", "--port", str(port), "--security", security)
    return postroom.attempt("provider", "add", "probed", *where, *more, "--json")


def _failure(done: Done) -> tuple[str, str]:
    """The step that failed and its class; it is said on standard error too."""
    last = done.json()["steps"][-1]
    assert last["failure"] in done.err
    return last["step"], last["failure"]


def _names(postroom: Postroom) -> list[str]:
    found: list[Any] = postroom.run("provider", "list", "--json").json_lines()
    return [one["name"] for one in found]


def test_adding_a_provider_hands_it_a_real_mail(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """The whole transaction is made, each step told, and the test mail arrives."""
    postroom = make_postroom()
    to = ("--test-from", "probe@shop.example", "--test-to", "probed@rcpt.example")
    done = _add(postroom, postfix.port, "none", *to)
    assert done.status == 0, done.err
    steps = [(one["step"].upper(), one["code"]) for one in done.json()["steps"]]
    assert ("RCPT TO", 250) in steps or ("RCPT", 250) in steps, steps
    (one,) = postfix.wait_for(1)
    assert (one.recipient, one.return_path) == ("probed@rcpt.example", to[1])
    assert "probed" in _names(postroom)


def test_a_provider_that_does_not_listen_is_refused(
    make_postroom: MakePostroom,
) -> None:
    """The failure class is "Connection refused" and nothing is stored."""
    postroom = make_postroom()
    done = _add(postroom, free_port(), "none")
    assert done.status == 1
    assert _failure(done) == ("connect", "Connection refused")
    assert "probed" not in _names(postroom)
    assert _add(postroom, free_port(), "none", "--no-test").status == 0
    assert "probed" in _names(postroom)


def test_demanded_starttls_is_not_done_without(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """A Postfix that offers no STARTTLS gets no mail, and TLS is named as the cause."""
    postroom = make_postroom()
    done = _add(postroom, postfix.port, "starttls")
    assert done.status == 1
    assert _failure(done) == ("tls", "TLS handshake failed")
    assert "probed" not in _names(postroom)
    assert postfix.count() == 0


def test_a_wrong_certificate_is_refused(
    make_postroom: MakePostroom,
    start_postfix: StartPostfix,
    authority: Authority,
    tmp_path: Path,
) -> None:
    """A name that the certificate lacks, or an unknown issuer, gets no mail.

    The right name with a known issuer does, over STARTTLS.
    """
    authority.server_context("elsewhere.example")
    authority.server_context("127.0.0.1")
    found = sorted(
        (tmp_path / "certificates").glob("server-*.pem"),
        key=lambda file: file.stat().st_mtime_ns,
    )
    elsewhere, here = (start_postfix(file) for file in found)
    trusting = make_postroom(environment={"SSL_CERT_FILE": str(authority.ca_file)})
    doubting = make_postroom()
    for postroom, server in ((trusting, elsewhere), (doubting, here)):
        done = _add(postroom, server.port, "starttls")
        assert done.status == 1
        assert _failure(done) == ("tls", "TLS handshake failed")
        assert server.count() == 0
    assert _add(trusting, here.port, "starttls").status == 0
    assert _add(doubting, elsewhere.port, "starttls", "--no-verify").status == 0
    here.wait_for(1)
