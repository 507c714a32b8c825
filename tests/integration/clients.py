"""The mail programs that people use, each with the settings its own manual shows.

What a program put on the wire is told by the program: swaks prints the dialogue,
smtplib and Nodemailer are asked for the bytes where they hand them to the socket,
msmtp passes on what it is given. (A null client's witness is in its own test.)
"""

import base64
import hashlib
import json
import os
import re
import smtplib
import ssl
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.programs import program

_RUN_S = 60
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_IDS = re.compile(rf"250 OK ids=(email_{_ID}(?: email_{_ID})*)")
_QUEUED = re.compile(rf"250 2\.0\.0 Ok: queued as ({_ID})")


@dataclass(frozen=True, slots=True)
class Door:
    """Where to connect, and the certificate that is shown there."""

    port: int
    certificate: Path
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Login:
    """What a person copies into the settings of a mail program."""

    user: str
    password: str = field(repr=False)


def ids_of(answer: str) -> list[str]:
    """The deliveries that ``250 OK ids=`` names, in their order."""
    match = _IDS.fullmatch(answer)
    assert match is not None, answer
    return [one.removeprefix("email_") for one in match[1].split(" ")]


def queued_as(answer: str) -> str:
    """The message that ``250 2.0.0 Ok: queued as`` names."""
    match = _QUEUED.fullmatch(answer)
    assert match is not None, answer
    return match[1]


# -------------------------------------------------------------------- swaks


@dataclass(frozen=True, slots=True)
class Transcript:
    """What swaks printed: every line that it sent or got, and how it ended."""

    status: int
    text: bytes

    def sent(self) -> list[bytes]:
        """The lines it sent, in clear or under TLS."""
        return re.findall(rb"^ [-~]> (.*?)\r?$", self.text, re.MULTILINE)

    def got(self) -> list[str]:
        """The lines it got."""
        found = re.findall(rb"^<[-~*][* ~-] (.*?)\r?$", self.text, re.MULTILINE)
        return [line.decode() for line in found]

    @property
    def answer(self) -> str:
        """What the content was answered with; the last line is that of QUIT."""
        return self.got()[-2]

    @property
    def wire(self) -> bytes:
        """The content as it was sent, without the dots of the transport."""
        lines = self.sent()
        begin, end = lines.index(b"DATA") + 1, len(lines) - 2
        assert lines[end:] == [b".", b"QUIT"], lines[end:]
        return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[begin:end])


def swaks(door: Door, *words: str) -> Transcript:
    """Run it as the documentation of the vendors does: `--tls` is STARTTLS."""
    where = ("--server", door.host, "--port", str(door.port), "--tls")
    done = _run("swaks", *where, *words)
    return Transcript(done.returncode, done.stdout)


# ------------------------------------------------------------------ smtplib


class Smtplib(smtplib.SMTP):
    """Python's client, which also keeps what it sent and the answers to that."""

    def __init__(self, door: Door, source: str = "127.0.0.1") -> None:
        self.wires: list[bytes] = []
        self.answers: list[str] = []
        super().__init__(door.host, door.port, timeout=30, source_address=(source, 0))

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the content; called by `sendmail`, and so by `send_message`."""
        code, text = super().data(msg)
        assert isinstance(msg, bytes)
        self.wires.append(msg if msg.endswith(b"\r\n") else msg + b"\r\n")
        self.answers.append(f"{code} {text.decode()}")
        return code, text


def logged_in(door: Door, login: Login) -> Smtplib:
    """A client behind `starttls()` and `login()`, as the vendors' pages have it."""
    client = Smtplib(door)
    try:
        client.starttls()
        client.login(login.user, login.password)
    except BaseException:
        client.close()
        raise
    return client


def said(error: smtplib.SMTPResponseException) -> str:
    """The answer that made smtplib raise."""
    text = error.smtp_error
    return f"{error.smtp_code} {text.decode() if isinstance(text, bytes) else text}"


# --------------------------------------------------------------- Nodemailer


@dataclass(frozen=True, slots=True)
class Sent:
    """What `sendMail` came back with for one mail, and the bytes that it sent."""

    answer: str
    wire: bytes
    error: str


def nodemailer(
    transport: Mapping[str, object], mails: Iterable[Mapping[str, object]]
) -> list[Sent]:
    """Send mails by one transporter; both as they stand in the documentation.

    Bytes are given as ``{"base64": ...}``.
    """
    script = Path(__file__).with_name("nodemailer.js")
    job = json.dumps({"transport": transport, "mails": list(mails)})
    done = _run("node", str(script), stdin=job.encode(), environment=NODE_PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    return [
        Sent(one["response"], base64.b64decode(one["wire"]), one["error"])
        for one in json.loads(done.stdout)
    ]


# Debian's libraries, for a Node.js that does not come from Debian.
NODE_PATH = {"NODE_PATH": "/usr/share/nodejs"}


# -------------------------------------------------------------------- msmtp

_MSMTPRC = """\
# Set default values for all following accounts.
defaults
auth on
tls on
{trust}
# The account.
account shop
host {host}
port {port}
from {sender}
user {user}
password {password}
# Set a default account
account default : shop
"""


def msmtp(
    folder: Path, door: Door, login: Login, mail: bytes, *recipients: str, trust: str
) -> subprocess.CompletedProcess[bytes]:
    """Hand a mail to msmtp, which trusts as ``trust`` (a line of its file) says."""
    file = folder / "msmtprc"
    file.touch(mode=0o600)
    config = _MSMTPRC.format(
        trust=trust,
        host=door.host,
        port=door.port,
        sender="orders@shop.example",
        user=login.user,
        password=login.password,
    )
    file.write_text(config, encoding="ascii")
    words = ("--file", str(file), "--", *recipients)
    return _run("msmtp", *words, stdin=mail.replace(b"\r\n", b"\n"))


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate, as `tls_fingerprint` wants it."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
    return hashlib.sha256(der).digest().hex(":").upper()


def _run(
    name: str,
    *words: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    path = program(name)
    assert path is not None
    try:
        return subprocess.run(
            [path, *words],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=_RUN_S,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired as error:
        said_so_far = (error.stdout or b"") + (error.stderr or b"")
        raise AssertionError(f"{error}: {said_so_far[-3000:]!r}") from None
