"""Who takes mail over SMTP: a tuned Postfix and Postroom, told the same dialogue.

STARTTLS with an EC P-256 certificate on either side, sessions that are kept, one
recipient a mail. Postroom's sessions log in; Postfix takes this machine's mail
without, which saves it a step of each session and is in its favour.

Holding, each only takes mail in: Postfix puts it into its hold queue, Postroom's
relay is off. Neither queue is emptied between rounds: ext4 passes over every inode
deleted in the last minutes before it gives one away, which halves Postfix's rate.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.benchmarks.contenders import TUNED, start_postroom
from scripts.benchmarks.tools import DOMAIN, SENDER, BenchError, Load, Sink
from tests.fakes.postfix import PostfixServer
from tests.fakes.programs import program

USER = "anypost"


@dataclass(frozen=True, slots=True)
class Sent:
    """How a load went, by the clock of the one who sent it."""

    seconds: float
    p50_ms: float
    p99_ms: float
    tls: str


@dataclass(frozen=True, slots=True)
class Generator:
    """The load generator and the mail that it sends."""

    tool: Path
    file: Path

    def send(self, port: int, load: Load, password: str = "") -> Sent:
        """Send it all, after logging in if there is a password.

        Raises:
            BenchError: a mail was not answered by 250.
        """
        options = ["-u", USER, "-w", password] if password else []
        numbers = [str(port), str(load.connections), str(load.mails)]
        words = [str(self.tool), *options, *numbers, SENDER, str(self.file)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"smtpload: {done.stdout}{done.stderr}")
        facts = json.loads(done.stdout)
        return Sent(facts["wall_s"], facts["p50_ms"], facts["p99_ms"], facts["tls"])


class Submitter(Protocol):
    """A server that takes mail over SMTP."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def roots(self) -> Sequence[int]:
        """The processes to account for, with their children."""
        ...

    def submit(self, load: Load) -> Sent:
        """Give it this much mail."""
        ...

    def send(self, load: Load) -> float:
        """The seconds until all mail was accepted."""
        ...

    def stored(self) -> int:
        """How many mails it has taken and not passed on."""
        ...


class PostfixSubmission:
    """A tuned Postfix, relaying to the sink or holding all mail."""

    name = "postfix"

    def __init__(
        self, generator: Generator, sink: Sink, chain: Path, *, holding: bool
    ) -> None:
        self._generator = generator
        settings = {**TUNED, "relayhost": f"[127.0.0.1]:{sink.port}"}
        if holding:
            settings["smtpd_client_restrictions"] = "check_client_access static:HOLD"
        self._server = PostfixServer(settings, certificate=chain)

    def roots(self) -> Sequence[int]:
        """The process to account for, with its children."""
        return [self._server.pid()]

    def submit(self, load: Load) -> Sent:
        """Give it this much mail, without a login."""
        return self._generator.send(self._server.port, load)

    def send(self, load: Load) -> float:
        """The seconds until all mail was accepted."""
        return self.submit(load).seconds

    def stored(self) -> int:
        """How many mails are in its queue."""
        return self._server.queued()

    def close(self) -> None:
        """End it."""
        self._server.close()


class PostroomSubmission:
    """Postroom's submission door, relaying to the sink or with its relay off."""

    name = "postroom"

    def __init__(
        self, generator: Generator, sink: Sink, folder: Path, *, holding: bool
    ) -> None:
        self._generator = generator
        folder.mkdir()
        relay = "false" if holding else "true"
        settings = {"smtp.max_sessions_per_address": "3000", "relay.enabled": relay}
        self._postroom = start_postroom(folder, sink, settings)
        (address,) = self._postroom.addresses()["submission"]
        self.port = int(address.rsplit(":", 1)[1])
        self.password: str = self._postroom.keys["anypostKey"]

    def roots(self) -> Sequence[int]:
        """The process to account for."""
        return [self._postroom.process.pid]

    def submit(self, load: Load) -> Sent:
        """Give it this much mail."""
        return self._generator.send(self.port, load, self.password)

    def send(self, load: Load) -> float:
        """The seconds until all mail was accepted."""
        return self.submit(load).seconds

    def stored(self) -> int:
        """How many mails wait."""
        return int(self._postroom.ask("status")["queued"])

    def close(self) -> None:
        """End it.

        Raises:
            BenchError: it had a bug to report.
        """
        self._postroom.close()
        if troubles := self._postroom.troubles():
            raise BenchError(f"postroom failed: {troubles[0]}")


def make_chain(folder: Path) -> Path:
    """A self-signed EC P-256 certificate and its key, as Postfix wants them."""
    openssl, chain = program("openssl"), folder / "chain.pem"
    assert openssl is not None
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ("-subj", f"/CN={DOMAIN}", "-keyout", str(chain))
    words = [openssl, *kind.split(), *names]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    with chain.open("a", encoding="ascii") as file:
        file.write(done.stdout)
    return chain
