"""Real mail programs hand in mail, which goes on to a real Postfix unchanged."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.postfix import Delivered, PostfixServer, Smarthost
from tests.fakes.postroom import Postroom
from tests.integration.clients import (
    Door,
    Login,
    fingerprint,
    ids_of,
    logged_in,
    msmtp,
    nodemailer,
    queued_as,
    swaks,
)
from tests.integration.conftest import (
    Need,
    NeedNodemailer,
    StartPostfix,
    make_verifiers,
    name_server,
    postfix_servers,
    postrooms,
)
from tests.integration.doors import (
    NAMED,
    anypost,
    credential_pair,
    furnish_for_smtp,
    postscale,
    submission,
    submissions,
)
from tests.integration.house import PUBLIC_HOST, delivery_of, dns_settings
from tests.integration.letters import BARE, EMPTY, LETTERS, SENDER, UTF8_HEADER
from tests.integration.travel import (
    OF_POSTFIX,
    arrived,
    assert_as_sent,
    assert_signed,
    dropped_from_anypost,
    part,
)
from tests.integration.verifiers import Verifiers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Way:
    """A serving Postroom whose mail goes on to a Postfix, and who judges it there."""

    postroom: Postroom
    pair: Login
    end: PostfixServer
    verifiers: Verifiers

    @property
    def starttls(self) -> Door:
        """The door that clients expect at 587."""
        return submission(self.postroom)

    @property
    def implicit(self) -> Door:
        """The door that clients expect at 465."""
        return submissions(self.postroom)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """Doors open, the domain verified by a real DNS server; all tests here share it."""
    folder = tmp_path_factory.mktemp("way")
    with (
        postfix_servers() as start_postfix,
        name_server(folder) as nsd,
        postrooms(folder) as make_postroom,
    ):
        end = start_postfix()
        postroom = make_postroom({**dns_settings(nsd), **NAMED})
        furnish_for_smtp(postroom, end, nsd)
        pair, _ = credential_pair(postroom)
        postroom.start()
        yield Way(postroom, pair, end, make_verifiers(folder, nsd))


def test_the_swaks_command_of_the_anypost_page(way: Way, need: Need) -> None:
    """One id comes back; the mail has lost its X-Anypost header and nothing else."""
    need("swaks")
    login, to = anypost(way.postroom), "welcome@swaks.example"
    said = swaks(
        way.starttls,
        *("--auth-user", login.user, "--auth-password", login.password),
        *("--from", SENDER, "--to", to),
        *("--header", "Subject: Welcome to Acme"),
        *("--header", 'X-Anypost-Tags: ["welcome","onboarding"]'),
        *("--body", "Thanks for signing up."),
    )
    assert said.status == 0, said.text
    (uuid,) = ids_of(said.answer)
    assert part(said.wire).named("X-Anypost-Tags")
    one = arrived(way.end, to)[to]
    assert delivery_of(one) == uuid
    assert_as_sent(said.wire, one, dropped_from_anypost)
    assert_signed(one, way.verifiers)


def test_swaks_sends_files(way: Way, need: Need, tmp_path: Path) -> None:
    """Whatever a file holds arrives, by AUTH PLAIN and by AUTH LOGIN."""
    need("swaks")
    login = postscale(way.postroom)
    sent: dict[str, bytes] = {}
    for number, (name, mail) in enumerate(LETTERS.items()):
        file = tmp_path / f"{name}.eml"
        file.write_bytes(mail)
        to = f"{name}@swaks.example"
        said = swaks(
            way.starttls,
            *("--auth", "LOGIN" if number % 2 else "PLAIN"),
            *("--auth-user", login.user, "--auth-password", login.password),
            *("--from", SENDER, "--to", to, "--data", f"@{file}"),
        )
        assert said.status == 0, said.text
        queued_as(said.answer)
        assert said.wire == mail + b"\r\n"  # swaks puts an empty line there
        sent[to] = said.wire
    _check_all(way, sent)


def test_smtplib_sends_bytes(way: Way) -> None:
    """Every mail arrives as it was handed to `sendmail`, many on one connection."""
    sent = {f"{name}@smtplib.example": mail for name, mail in LETTERS.items()}
    sent |= {"bare@smtplib.example": BARE, "empty@smtplib.example": EMPTY}
    with logged_in(way.starttls, anypost(way.postroom)) as client:
        for to, mail in sent.items():
            client.sendmail(SENDER, [to], mail)
        to = "utf8@smtplib.example"
        client.sendmail(SENDER, [to], UTF8_HEADER, mail_options=["SMTPUTF8"])
        sent[to] = UTF8_HEADER
    assert client.wires == list(sent.values())
    _check_all(way, sent)


def test_smtplib_sends_a_message(way: Way) -> None:
    """`send_message` as the Postscale page has it; Bcc is in nobody's copy."""
    mail = EmailMessage()
    mail["From"] = f"Grüße <{SENDER}>"
    mail["To"] = "Zoë <to@message.example>"
    mail["Cc"] = "cc@message.example"
    mail["Bcc"] = "bcc@message.example"
    mail["Subject"] = "Grüße " * 40
    mail["X-Postscale-Metadata-order-id"] = "ord_456"
    mail.set_content("Zoë,\n.\n..\nFrom us " + "long " * 300)
    mail.add_alternative("<p>Zoë</p>", subtype="html")
    mail.add_attachment(b"\0\xff" * 500, "application", "pdf", filename="ü.pdf")
    login = postscale(way.postroom)
    with logged_in(way.starttls, Login("PostScale", login.password)) as client:
        client.send_message(mail)
    queued_as(client.answers[0])
    names = (f"{name}@message.example" for name in ("to", "cc", "bcc"))
    for one in arrived(way.end, *names).values():
        assert_as_sent(client.wires[0], one)
        assert_signed(one, way.verifiers)
        assert b"bcc@message.example" not in one.wire.partition(b"DKIM-Signature")[2]


def test_nodemailer_with_a_credential_pair(
    way: Way, need_nodemailer: NeedNodemailer
) -> None:
    """`secure: true` at the port for 465, and STARTTLS at the other: all arrives."""
    need_nodemailer()
    trust = {
        "ca": way.implicit.certificate.read_text(encoding="ascii"),
        "servername": PUBLIC_HOST,
    }
    auth = {"user": way.pair.user, "pass": way.pair.password}
    raw = [_raw(f"{name}@nodemailer.example", mail) for name, mail in LETTERS.items()]
    composed = {
        "from": f'"The Shop" <{SENDER}>',
        "to": "Zoë <composed@nodemailer.example>",
        "subject": "Grüße ✔",
        "text": "Hello\n.\nworld",
        "html": "<b>Grüße</b>",
        "headers": {"X-Campaign": "spring", "X-Anypost-Tag": "kept"},
        "attachments": [{"filename": "ü.bin", "content": _base64(bytes(range(256)))}],
    }
    sent: dict[str, bytes] = {}
    for door, mails in (
        ({"port": way.implicit.port, "secure": True}, [composed, *raw[:2]]),
        ({"port": way.starttls.port, "secure": False, "requireTLS": True}, raw[2:]),
    ):
        transport = {"host": "127.0.0.1", **door, "auth": auth, "tls": trust}
        for one, job in zip(nodemailer(transport, mails), mails, strict=True):
            assert not one.error, one.error
            queued_as(one.answer)
            to = job.get("envelope", {}).get("to", "composed@nodemailer.example")
            sent[to] = re.sub(rb"\r?\n", b"\r\n", one.wire)
    assert {sent[f"{name}@nodemailer.example"] for name in LETTERS} == set(
        LETTERS.values()
    )
    _check_all(way, sent)


def test_msmtp(way: Way, need: Need, tmp_path: Path) -> None:
    """It trusts the self-signed certificate by its fingerprint, and all arrives."""
    need("msmtp")
    trust = f"tls_fingerprint {fingerprint(way.starttls.certificate)}"
    sent = {f"{name}@msmtp.example": mail for name, mail in LETTERS.items()}
    for to, mail in sent.items():
        done = msmtp(tmp_path, way.starttls, way.pair, mail, to, trust=trust)
        assert done.returncode == 0, done.stderr
    _check_all(way, sent)


def test_a_postfix_hands_on_the_mail_of_its_machine(
    way: Way, start_postfix: StartPostfix
) -> None:
    """A null client with `relayhost` and SASL: what it sends is what arrives.

    The same mail goes past Postroom to a second recipient: that copy, sent by the
    same client from the same file, is the witness of what was on the wire.
    """
    host = Smarthost(way.starttls.port, way.pair.user, way.pair.password)
    past_it = {
        "transport_maps": "hash:{folder}/etc/transport",
        "smtp_tls_policy_maps": "hash:{folder}/etc/tls_policy",
    }
    tables = {
        "transport": f"witness.example smtp:[127.0.0.1]:{way.end.port}\n",
        "tls_policy": f"[127.0.0.1]:{way.end.port} none\n",
    }
    client = start_postfix(
        settings={**host.settings, **past_it}, tables={**host.tables, **tables}
    )
    mails = {**LETTERS, "bare": BARE, "utf8": UTF8_HEADER}
    for name, mail in mails.items():
        client.sendmail(
            mail, SENDER, f"{name}@nullclient.example", f"{name}@witness.example"
        )
    hosts = ("nullclient.example", "witness.example")
    found = arrived(way.end, *(f"{name}@{host}" for name in mails for host in hosts))
    for name in mails:
        sent = _from_client(found[f"{name}@witness.example"])
        one = found[f"{name}@nullclient.example"]
        assert_as_sent(sent, one)
        assert_signed(one, way.verifiers)
    assert client.queued() == 0


def _check_all(way: Way, sent: Mapping[str, bytes]) -> None:
    """Each arrived once, as it was sent to its recipient, and signed."""
    for to, one in arrived(way.end, *sent).items():
        assert_as_sent(sent[to], one)
        assert_signed(one, way.verifiers)


def _from_client(witness: Delivered) -> bytes:
    """What a client sent to the last Postfix, without what that has put in front."""
    parted = part(witness.wire)
    own = parted.fields[len(OF_POSTFIX) :]
    return b"".join((*own, b"\r\n", parted.body))


def _raw(to: str, mail: bytes) -> dict[str, Any]:
    """A mail for Nodemailer that is complete already."""
    return {"envelope": {"from": SENDER, "to": to}, "raw": _base64(mail)}


def _base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode("ascii")}
