"""Who gets in by SMTP and who does not, as real mail programs meet it."""

import base64
import smtplib
import socket
import ssl
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until
from tests.integration.clients import (
    Door,
    Login,
    Smtplib,
    fingerprint,
    ids_of,
    logged_in,
    msmtp,
    nodemailer,
    said,
    swaks,
)
from tests.integration.conftest import MakePostroom, Need, NeedNodemailer
from tests.integration.doors import (
    anypost,
    credential_pair,
    furnish_for_smtp,
    postscale,
    submission,
    submissions,
)
from tests.integration.house import DOMAIN, idle
from tests.integration.letters import BARE, ODD, SENDER

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

TO = "b@rcpt.example"
FAILURES = 5  # as smtp.login_failures has it
FLOOD = 10_000
PLACES, PLACES_EACH = 3000, 100  # as smtp.max_sessions and .._per_address have it


def _refused(door: Door, login: Login, source: str = "127.0.0.1") -> str:
    """What a login is refused with."""
    with Smtplib(door, source) as client:
        client.starttls()
        client.ehlo()
        client.user, client.password = login.user, login.password
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.auth("PLAIN", client.auth_plain)  # `login` would try LOGIN too
    return said(caught.value)


def test_a_wrong_key_is_told_by_every_client(
    postroom: Postroom, need: Need, need_nodemailer: NeedNodemailer, tmp_path: Path
) -> None:
    """535 5.7.8, in the words of the dialect and the same whatever was wrong."""
    need("swaks", "msmtp")
    need_nodemailer()
    door = submission(postroom)
    wrong = Login("anypost", "ap_" + "x" * 43)
    talk = swaks(
        door,
        *("--auth", "PLAIN", "--auth-user", wrong.user),
        *("--auth-password", wrong.password, "--from", SENDER, "--to", TO),
    )
    assert talk.status == 28  # its manual: an authentication error
    assert "535 5.7.8 AUTH invalid" in talk.got()

    auth = {"user": "shop", "pass": postroom.keys["anypostKey"]}
    transport = {
        "host": door.host,
        "port": submissions(postroom).port,
        "secure": True,
        "auth": auth,
        "tls": {"rejectUnauthorized": False},
    }
    (sent,) = nodemailer(transport, [{"from": SENDER, "to": TO, "text": "hi"}])
    assert (sent.error, sent.answer) == ("EAUTH", "535 5.7.8 Authentication failed")

    trust = f"tls_fingerprint {fingerprint(door.certificate)}"
    done = msmtp(tmp_path, door, wrong, BARE, TO, trust=trust)
    assert done.returncode == 77  # EX_NOPERM
    assert b"535 5.7.8 AUTH invalid" in done.stderr

    other = Login("postscale", postroom.keys["anypostKey"])
    assert _refused(door, other) == "535 5.7.8 Authentication failed"
    with logged_in(door, anypost(postroom)) as client:
        client.sendmail(SENDER, [TO], BARE)
    assert ids_of(client.answers[0])


def test_guessing_blocks_the_guesser_and_nobody_else(postroom: Postroom) -> None:
    """421 for that address, even with the right key; others get in.

    ATTACKS 3: the block is seen in `postroom status`.
    """
    door, right = submission(postroom), anypost(postroom)
    guess = Login("anypost", "ap_" + "y" * 43)
    for _ in range(FAILURES):
        assert _refused(door, guess, "127.0.0.66") == "535 5.7.8 AUTH invalid"
    with pytest.raises(smtplib.SMTPConnectError) as caught:
        Smtplib(door, "127.0.0.66")
    assert said(caught.value).startswith("421 4.7.0")
    with logged_in(door, right) as client:
        client.sendmail(SENDER, [TO], BARE)
    assert ids_of(client.answers[0])
    assert "127.0.0.66" in postroom.run("status").out


@pytest.mark.usefixtures("many_files")
def test_ten_thousand_connections_end_nothing(postroom: Postroom) -> None:
    """ATTACKS 4: all open at once, from 100 addresses, and none of them says a word.

    Who is inside goes on; when they have gone, the next one comes in.
    """
    door, login = submission(postroom), anypost(postroom)
    with logged_in(door, login) as owner:
        with ExitStack() as flood:
            told = Counter(
                _greeting(flood, door, f"127.0.1.{1 + number % 100}")
                for number in range(FLOOD)
            )
            assert told == {"220": PLACES - 1, "421 4.3.2": FLOOD - PLACES + 1}
            owner.sendmail(SENDER, [TO], BARE)
        assert ids_of(owner.answers[0])
    with logged_in(door, login) as client:
        client.sendmail(SENDER, [TO], BARE)
    assert ids_of(client.answers[0])
    assert "Traceback" not in postroom.log()


def _greeting(flood: ExitStack, door: Door, source: str) -> str:
    """What one is told that comes from there, and stays: the codes of it."""
    sock = socket.create_connection((door.host, door.port), 30, (source, 0))
    flood.enter_context(sock)
    code, *words = sock.recv(512).decode().split()
    return f"{code} {words[0]}" if code == "421" else code


def test_a_key_is_not_asked_for_in_clear(postroom: Postroom) -> None:
    """ATTACKS 3: without TLS there is no AUTH, no mail, and no key in the log."""
    login = anypost(postroom)
    plain = base64.b64encode(f"\0{login.user}\0{login.password}".encode()).decode()
    with Smtplib(submission(postroom)) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")
        with pytest.raises(smtplib.SMTPNotSupportedError):
            client.login(login.user, login.password)
        code, text = client.docmd("AUTH", f"PLAIN {plain}")
        assert (code, text[:6]) == (538, b"5.7.11")
        code, text = client.docmd("MAIL", f"FROM:<{SENDER}>")
        assert (code, text[:5]) == (530, b"5.7.0")
        client.starttls()
        assert client.docmd("MAIL", f"FROM:<{SENDER}>")[0] == 503  # EHLO is forgotten
        client.ehlo()
        assert client.docmd("MAIL", f"FROM:<{SENDER}>")[0] == 530
        client.login(login.user, login.password)
        client.sendmail(SENDER, [TO], BARE)
    assert ids_of(client.answers[0])
    for secret in (login.password, plain):
        assert secret not in postroom.log()


def test_a_revoked_key_is_worth_nothing_at_once(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """The open session may send no further mail, and nobody logs in with it again."""
    postroom = make_postroom()
    furnish_for_smtp(postroom, postfix)
    login, facts = credential_pair(postroom)
    postroom.start()
    door = submission(postroom)
    with logged_in(door, login) as client:
        client.sendmail(SENDER, [TO], BARE)
        postroom.run("key", "revoke", str(facts["id"]))
        wait_until(lambda: _is_refused(client), 10, "the open session is told")
    assert _refused(door, login) == "535 5.7.8 Authentication failed"
    postfix.wait_for(1)
    wait_until(lambda: idle(postroom), 10, "the end of the queue")
    assert postfix.count() == 1


def _is_refused(client: Smtplib) -> bool:
    code, _ = client.docmd("MAIL", f"FROM:<{SENDER}>")
    client.docmd("RSET")
    assert code in {250, 530}
    return code == 530


def test_each_sender_is_refused_by_an_answer_that_names_it(
    make_postroom: MakePostroom, postfix: PostfixServer
) -> None:
    """ATTACKS 7: MAIL FROM and From are checked, each for itself; nothing is sent."""
    postroom = make_postroom()
    furnish_for_smtp(postroom, postfix)
    narrow, _ = credential_pair(postroom, "--allowed-domain", "other.example")
    postroom.start()
    door = submission(postroom)
    forged = ODD.replace(SENDER.encode(), b"ceo@bank.example")
    with logged_in(door, anypost(postroom)) as client:
        told = _refusal(client, "ceo@bank.example", ODD)
        assert told.startswith("550 5.7.1 domain_not_verified (MAIL FROM)")
        assert "bank.example" in told
        told = _refusal(client, SENDER, forged)
        assert told.startswith("550 5.7.1 domain_not_verified (From)")
        assert "bank.example" in told
        client.sendmail(SENDER, ["good@rcpt.example"], ODD)
    for login, mail, named in (
        (narrow, ODD, DOMAIN),
        (postscale(postroom), forged, "bank.example"),
    ):
        with logged_in(door, login) as client:
            told = _refusal(client, "www-data@localhost", mail)
        assert told.startswith("550 5.7.1")
        assert named in told
    (one,) = postfix.wait_for(1)
    wait_until(lambda: idle(postroom), 10, "the end of the queue")
    assert postfix.count() == 1
    assert one.recipient == "good@rcpt.example"


def _refusal(client: Smtplib, sender: str, mail: bytes) -> str:
    """What this mail is refused with."""
    with pytest.raises(smtplib.SMTPResponseException) as caught:
        client.sendmail(sender, [TO], mail)
    return said(caught.value)


def test_a_new_certificate_is_shown_without_a_restart(
    make_postroom: MakePostroom,
    postfix: PostfixServer,
    authority: Authority,
    need: Need,
    tmp_path: Path,
) -> None:
    """The next client sees it, and one that checks names and issuers trusts it.

    A session that is open goes on; a pair that does not fit changes nothing.
    """
    need("msmtp")
    postroom = make_postroom()
    furnish_for_smtp(postroom, postfix)
    login, _ = credential_pair(postroom)
    postroom.start()
    door = submission(postroom)
    first = door.certificate.read_text(encoding="ascii")
    assert _shown(door) == first
    trust = f"tls_trust_file {authority.ca_file}"
    refused = msmtp(tmp_path, door, login, BARE, TO, trust=trust)
    assert refused.returncode
    with logged_in(door, login) as client:
        _replace(postroom, authority, "127.0.0.1", "localhost")
        wait_until(lambda: _shown(door) != first, 10, "the new certificate")
        client.sendmail(SENDER, ["open@rcpt.example"], BARE)
    done = msmtp(tmp_path, door, login, BARE, TO, trust=trust)
    assert done.returncode == 0, done.stderr
    postfix.wait_for(2)
    second = _shown(door)
    door.certificate.write_text(first, encoding="ascii")
    assert _shown(door) == second
    done = msmtp(tmp_path, door, login, BARE, TO, trust=trust)
    assert done.returncode == 0, done.stderr


def _shown(door: Door) -> str:
    """The certificate that a client is shown, as PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Smtplib(door) as client:
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        der = client.sock.getpeercert(binary_form=True)
    assert der is not None
    return ssl.DER_cert_to_PEM_cert(der)


def _replace(postroom: Postroom, authority: Authority, *names: str) -> None:
    """Put another pair into the place of the one that `init` made."""
    authority.server_context(*names)
    (file,) = authority.ca_file.parent.glob("server-*.pem")
    key, mark, certificate = file.read_text(encoding="ascii").partition(
        "-----BEGIN CERTIFICATE-----"
    )
    folder = postroom.data / "tls"
    (folder / "key.pem").write_text(key, encoding="ascii")
    (folder / "cert.pem").write_text(mark + certificate, encoding="ascii")
