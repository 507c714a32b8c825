"""A private Postfix on a loopback port: real replies, real queue, a real Maildir.

It takes mail from loopback for every domain and puts one file per recipient into
a Maildir, byte for byte but for the trace headers that any server adds.
With other settings it relays instead, as `scripts/bench` wants it, or is the null
client that hands all mail of a machine to a smarthost.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from types import MappingProxyType

from tests.fakes.programs import free_port, listens, program, wait_until

_MASTER = Path("/usr/share/postfix/master.cf.dist")
LOOPBACK = "127.0.0.1"
_START_S = 20
_QUEUES = ("maildrop", "incoming", "active", "deferred", "hold")

_BASE = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = {folder}, /var, /dev/stdout
maillog_file = {folder}/log/mail.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = upstream.postfix.example
myorigin = postfix.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
biff = no
notify_classes =
"""
# message_drop_headers: a witness must not take a Bcc header away itself.
# local_header_rewrite_clients: nor put names into addresses.
MAILDIRS: Mapping[str, str] = MappingProxyType(
    {
        "virtual_mailbox_domains": "static:every",
        "virtual_mailbox_base": "{folder}/mail",
        "virtual_mailbox_maps": "static:inbox/",
        "virtual_uid_maps": "static:65534",
        "virtual_gid_maps": "static:65534",
        "message_drop_headers": "",
        "local_header_rewrite_clients": "",
        "in_flow_delay": "0",
        "smtpd_client_connection_count_limit": "0",
    }
)


@dataclass(frozen=True, slots=True)
class Smarthost:
    """Where a null client hands its mail, and the account that it has there."""

    port: int
    user: str
    password: str = field(repr=False)

    @property
    def settings(self) -> Mapping[str, str]:
        """The null client of STANDARD_CONFIGURATION_README, with TLS and SASL.

        SASL_README, "Enabling SASL authentication in the Postfix SMTP client".
        """
        return {
            "relayhost": f"[127.0.0.1]:{self.port}",
            "local_transport": "error:local delivery is disabled",
            "smtp_tls_security_level": "encrypt",
            "smtp_sasl_auth_enable": "yes",
            "smtp_sasl_password_maps": "hash:{folder}/etc/sasl_passwd",
            "smtp_sasl_security_options": "noanonymous",
        }

    @property
    def tables(self) -> Mapping[str, str]:
        """The lookup table with the password."""
        return {"sasl_passwd": f"[127.0.0.1]:{self.port} {self.user}:{self.password}\n"}


@dataclass(frozen=True, slots=True)
class Delivered:
    """One mail as the server put it into a Maildir."""

    file: Path
    raw: bytes

    @property
    def headers(self) -> Message:
        """The headers, trace headers of the server included."""
        return BytesHeaderParser().parsebytes(self.raw)

    @property
    def recipient(self) -> str:
        """The envelope recipient."""
        return str(self.headers["Delivered-To"])

    @property
    def return_path(self) -> str:
        """The envelope sender."""
        return str(self.headers["Return-Path"]).strip("<>")

    @property
    def wire(self) -> bytes:
        """The mail with the line ends of the wire, as verifiers want it."""
        return re.sub(rb"\r?\n", b"\r\n", self.raw)


class PostfixServer:
    """One running instance; root only, since Postfix starts as nobody else.

    Its folder is its own below /tmp: pytest's is closed to the users whom
    Postfix turns its processes into. ``tables`` are lookup tables by their names,
    which settings call ``hash:{folder}/etc/name``.
    """

    def __init__(
        self,
        settings: Mapping[str, str] = MAILDIRS,
        certificate: Path | None = None,
        tables: Mapping[str, str] = MappingProxyType({}),
        address: str = LOOPBACK,
    ) -> None:
        self.address = address
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="postroom-postfix-"))
        self._lay_out()
        base = _BASE.format(folder=self.folder).splitlines(keepends=True)
        lines = "".join(one for one in base if one.split(" ")[0] not in settings)
        for name, value in settings.items():
            lines += f"{name} = {value.format(folder=self.folder)}\n"
        if certificate is not None:
            own = shutil.copy(certificate, self.folder / "etc/server.pem")
            lines += f"smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {own}\n"
        main = self.folder / "etc/main.cf"
        main.write_text(lines, encoding="ascii")
        os.utime(main, (0, 0))  # Postfix reads a new file over and over for 2 s
        for name, text in tables.items():
            self.write_table(name, text)
        self.start()

    def start(self) -> None:
        """Bring it up, also after `stop`; mail that it had is still there."""
        done = self._postfix("start")
        if done.returncode:
            raise RuntimeError(f"postfix start: {done.stderr}{done.stdout}")
        wait_until(lambda: listens(self.port), _START_S, "Postfix listens")

    def stop(self) -> None:
        """End its processes; the port then refuses."""
        self._postfix("stop")
        wait_until(lambda: not listens(self.port), _START_S, "Postfix ends")

    def close(self) -> None:
        """End it and remove its folder."""
        if self._pid_file.exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def messages(self) -> list[Delivered]:
        """All mail delivered so far."""
        files = (self.folder / "mail").glob("inbox/new/*")
        return [Delivered(file, file.read_bytes()) for file in sorted(files)]

    def count(self) -> int:
        """How many mails were delivered so far."""
        return sum(1 for _ in (self.folder / "mail").glob("inbox/new/*"))

    def wait_for(self, number: int, seconds: float = 30) -> list[Delivered]:
        """All mail, once there is as much as ``number``.

        Raises:
            TimeoutError: there was not.
        """
        try:
            wait_until(lambda: self.count() >= number, seconds, f"{number} mails")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self.count()} there\n{self.log()}") from None
        return self.messages()

    def sendmail(self, mail: bytes, sender: str, *recipients: str) -> None:
        """Hand it a mail as a program on its machine does, by the command."""
        text = mail.replace(b"\r\n", b"\n")
        self._run("sendmail", "-C", "-i", "-f", sender, "--", *recipients, stdin=text)

    def write_table(self, name: str, text: str) -> None:
        """Write a lookup table, which `postmap` compiles."""
        file = self.folder / "etc" / name
        file.write_text(text, encoding="ascii")
        # Some of its programs look tables up as the owner of the mail.
        file.chmod(0o600 if name == "sasl_passwd" else 0o644)
        self._run("postmap", "-c", f"hash:{file}")

    def reload(self) -> None:
        """Have it read its configuration and its tables anew."""
        self._run("postfix", "-c", "reload")

    def flush(self) -> None:
        """Try what waits in its queue at once."""
        self._run("postqueue", "-c", "-f")

    def queued(self) -> int:
        """How many mails are in its queue."""
        folders = (self.folder / "spool" / queue for queue in _QUEUES)
        return sum(
            1 for folder in folders for file in folder.rglob("*") if file.is_file()
        )

    def log(self, lines: int = 20) -> str:
        """The end of its mail log."""
        file = self.folder / "log/mail.log"
        if not file.exists():
            return ""
        text = file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def pid(self) -> int:
        """The process all others of this instance descend from."""
        return int(self._pid_file.read_text(encoding="ascii"))

    @property
    def _pid_file(self) -> Path:
        return self.folder / "spool/pid/master.pid"

    def _lay_out(self) -> None:
        for name in ("etc", "spool", "data", "log", "mail"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        shutil.chown(self.folder / "data", "postfix")
        # Some of its programs log as root and some as postfix.
        (self.folder / "log/mail.log").touch()
        (self.folder / "log/mail.log").chmod(0o666)
        shutil.chown(self.folder / "mail", 65534, 65534)
        services = _MASTER.read_text(encoding="ascii").splitlines()
        master = "\n".join(self._service(line) for line in services)
        (self.folder / "etc/master.cf").write_text(master + "\n", encoding="ascii")

    def _run(self, name: str, option: str, *words: str, stdin: bytes = b"") -> None:
        """Run a command of Postfix that has to work; the option names its folder."""
        path = program(name)
        assert path is not None
        subprocess.run(
            [path, option, str(self.folder / "etc"), *words],
            input=stdin,
            check=True,
            timeout=30,
        )

    def _postfix(self, command: str) -> subprocess.CompletedProcess[str]:
        postfix = program("postfix")
        assert postfix is not None
        return subprocess.run(
            [postfix, "-c", str(self.folder / "etc"), command],
            capture_output=True,
            text=True,
            check=False,
        )

    def _service(self, line: str) -> str:
        """A line of master.cf: our port, and no chroot for anyone."""
        words = line.split()
        if line.startswith("smtp      inet"):
            return f"{self.address}:{self.port} inet n - n - - smtpd"
        if line[:1].isalpha() and len(words) >= 8 and words[4] in "-y":
            words[4] = "n"
            return " ".join(words)
        return line
