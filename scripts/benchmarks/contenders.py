"""Who is measured: Postfix as tuned for sending, with OpenDKIM, and Postroom.

Each relays to the same sink; each is told its load in its own protocol.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.benchmarks.tools import DOMAIN, Load, Mail, Sink, http_served, smtp_load
from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom, program_words
from tests.fakes.programs import end, program, wait_until

POOL = "custom-smtp-pool"
DOORS = {"smtp.submission": "127.0.0.1:0", "smtp.submissions": ""}

# What a careful operator sets on a machine that only sends: no inflow throttle,
# more deliveries at a time to the one next hop, processes that live longer.
TUNED = {
    "in_flow_delay": "0",
    "default_process_limit": "200",
    "smtp_destination_concurrency_limit": "50",
    "initial_destination_concurrency": "20",
    "smtp_connection_cache_destinations": "127.0.0.1",
    "max_use": "1000",
    "qmgr_message_active_limit": "50000",
    "qmgr_message_recipient_limit": "50000",
    "smtp_host_lookup": "native",
    "smtp_tls_security_level": "none",
}
_OPENDKIM = """\
Syslog no
Background no
Mode s
Canonicalization relaxed/relaxed
Domain {domain}
Selector s1
KeyFile {folder}/key
Socket local:{folder}/socket
UMask 000
InternalHosts 127.0.0.0/8
SignatureAlgorithm rsa-sha256
OversignHeaders From
RequireSafeKeys false
"""


class Postfix:
    """A tuned Postfix that relays to the sink, signing through a milter or not."""

    def __init__(self, sink: Sink, mail: Mail, folder: Path, *, signing: bool) -> None:
        self.name = "postfix+opendkim" if signing else "postfix"
        self._file = folder / "mail.eml"
        self._file.write_bytes(mail.as_file())
        settings = {**TUNED, "relayhost": f"[127.0.0.1]:{sink.port}"}
        self._signer = OpenDkim() if signing else None
        if self._signer is not None:
            settings["smtpd_milters"] = f"unix:{self._signer.socket}"
            settings["milter_default_action"] = "tempfail"
        self._server = PostfixServer(settings)

    def roots(self) -> Sequence[int]:
        """The processes to account for, with their children."""
        signer = [] if self._signer is None else [self._signer.pid]
        return [self._server.pid(), *signer]

    def send(self, load: Load) -> float:
        """The seconds until all mail was accepted."""
        return smtp_load(self._server.port, load.connections, load.mails, self._file)

    def close(self) -> None:
        """End it."""
        self._server.close()
        if self._signer is not None:
            self._signer.close()


class OpenDkim:
    """A signing milter on a Unix socket, as Debian ships it.

    Over TCP the milter protocol meets delayed acknowledgements: 90 ms a mail.
    """

    def __init__(self) -> None:
        # Below /tmp, where Postfix's own user may reach the socket.
        self._place = tempfile.TemporaryDirectory(prefix="postroom-opendkim-")
        folder = Path(self._place.name)
        folder.chmod(0o755)
        self.socket = folder / "socket"
        openssl, opendkim = program("openssl"), program("opendkim")
        assert openssl is not None
        assert opendkim is not None
        words = [openssl, "genrsa", "-out", str(folder / "key"), "2048"]
        subprocess.run(words, capture_output=True, check=True)
        config = folder / "opendkim.conf"
        config.write_text(_OPENDKIM.format(domain=DOMAIN, folder=folder))
        self._process = subprocess.Popen([opendkim, "-f", "-x", config])
        self.pid = self._process.pid
        wait_until(self.socket.exists, 10, "OpenDKIM's socket")

    def close(self) -> None:
        """End it."""
        end(self._process)
        self._place.cleanup()


class Appliance:
    """Postroom from its zipapp, with a trusted domain and the sink as upstream."""

    name = "postroom"

    def __init__(self, tool: Path, sink: Sink, mail: Mail, folder: Path) -> None:
        self._tool = tool
        self._file = folder / "request.http"
        self._postroom = start_postroom(folder, sink)
        self._port = int(self._postroom.addresses()["http"].rsplit(":", 1)[1])
        key = self._postroom.keys["subAccount"]["key"]
        self._file.write_bytes(mail.as_request(self._port, key, POOL))

    def roots(self) -> Sequence[int]:
        """The process to account for."""
        return [self._postroom.process.pid]

    def send(self, load: Load) -> float:
        """The seconds until all mail was accepted: on disk, answered by 200."""
        return http_served(self._tool, self._port, load, self._file).seconds

    def log(self) -> str:
        """What it said on standard error."""
        return self._postroom.log()

    def close(self) -> None:
        """End it."""
        self._postroom.close()


def make_postroom(folder: Path, upstream_port: int) -> Postroom:
    """A Postroom that is not started, with a trusted domain and one upstream."""
    made = Postroom(folder)
    made.init()
    port = str(upstream_port)
    where = ("--host", "127.0.0.1", "--port", port, "--security", "none")
    # As many connections as Postfix begins with.
    most = ("--connections", TUNED["initial_destination_concurrency"])
    made.run("provider", "add", "sink", *where, *most, "--no-test")
    made.run("pool", "add", POOL, "sink=100", "--default")
    made.run("domain", "add", DOMAIN)
    made.run("domain", "trust", DOMAIN)
    return made


def start_postroom(
    folder: Path, sink: Sink, settings: Mapping[str, str] | None = None
) -> Postroom:
    """A running Postroom with a trusted domain, and the sink as its upstream."""
    made = make_postroom(folder, sink.port)
    made.start({**DOORS, **(settings or {})})
    return made


def version_seconds() -> float:
    """How long `postroom version` takes, the start of Python included."""
    start = time.perf_counter()
    words = [*program_words(), "version", "--json"]
    done = subprocess.run(words, capture_output=True, check=True)
    taken = time.perf_counter() - start
    json.loads(done.stdout)
    return taken
