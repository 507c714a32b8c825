"""The real program as a subprocess: `postroom serve`, and commands beside it.

POSTROOM_PROGRAM names a zipapp to run instead of this checkout, POSTROOM_PYTHON the
Python to run it with. Everything it prints goes to one file, which `troubles` reads: a
traceback is never expected.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.programs import wait_until

ROOT = Path(__file__).parents[2]
# Each at a free port of its own.
DOORS = {
    "http.bind": "127.0.0.1:0",
    "smtp.submission": "127.0.0.1:0",
    "smtp.submissions": "127.0.0.1:0",
}
_START_S = 20
_STOP_S = 45
_COMMAND_S = 60


def program_words() -> tuple[str, ...]:
    """The words that start the program."""
    packed = os.environ.get("POSTROOM_PROGRAM")
    if packed:
        python = os.environ.get("POSTROOM_PYTHON", sys.executable)
        return (python, str(Path(packed).resolve()))
    return (sys.executable, "-m", "appliance")


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str

    def json(self) -> Any:
        """The one object it printed."""
        return json.loads(self.out)

    def json_lines(self) -> list[Any]:
        """The objects it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines() if line]


class CommandFailedError(AssertionError):
    """A command that had to work did not."""

    def __init__(self, done: Done) -> None:
        words = " ".join(done.words)
        super().__init__(f"postroom {words}: {done.status}\n{done.out}{done.err}")


class Postroom:
    """A data folder and the processes that work on it.

    ``settings`` reach every command by the environment; `start` takes more as
    ``--set``.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data = folder / "data"
        self.log_file = folder / "postroom.log"
        self.keys: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {**_clean_environment(), **(environment or {})}
        for name, value in (settings or {}).items():
            variable = "POSTROOM_" + name.replace(".", "_").upper()
            self._environment[variable] = value

    @property
    def environment(self) -> dict[str, str]:
        """What its commands are run with."""
        return dict(self._environment)

    # ----------------------------------------------------------- commands

    def attempt(self, *words: str) -> Done:
        """Run a command to its end, whatever that is."""
        ran = subprocess.run(
            [*program_words(), *words, "--data", str(self.data)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
            cwd=ROOT,
            env=self._environment,
        )
        with self.log_file.open("a", encoding="utf-8") as log:
            log.write(f"$ postroom {words[0]}\n{ran.stderr}")
        return Done(words, ran.returncode, ran.stdout, ran.stderr)

    def run(self, *words: str) -> Done:
        """Run a command that has to work.

        Raises:
            CommandFailedError: it did not.
        """
        done = self.attempt(*words)
        if done.status:
            raise CommandFailedError(done)
        return done

    def ask(self, *words: str) -> Any:
        """The one JSON object that a command answers with."""
        return self.run(*words, "--json").json()

    def init(self) -> None:
        """Make the data folder; the keys are in `keys`."""
        self.keys = self.ask("init")

    # ------------------------------------------------------------ serving

    def start(
        self,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Serve, and return once the addresses are known.

        Raises:
            RuntimeError: it ended instead.
        """
        wanted = {**DOORS, **(settings or {})}
        sets = [word for k, v in wanted.items() for word in ("--set", f"{k}={v}")]
        self._process = self.spawn("serve", *sets, environment=environment)
        wait_until(self._serves, _START_S, "serve writes run/addresses.json")

    def spawn(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A command under way, its words in the log file."""
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*program_words(), *words, "--data", str(self.data)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env={**self._environment, **(environment or {})},
            )

    def stop(self) -> int:
        """Ask it to end by SIGTERM; its exit status."""
        process = self.process
        process.send_signal(signal.SIGTERM)
        status = process.wait(_STOP_S)
        self._process = None
        return status

    def kill(self) -> None:
        """End it at once, as a power cut would: SIGKILL."""
        self.process.kill()
        self.process.wait()
        self._process = None
        # What a later start writes is waited for, not what this one left.
        self.addresses_file.unlink(missing_ok=True)

    def close(self) -> None:
        """End it, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def addresses_file(self) -> Path:
        """Where the server says what it has bound."""
        return self.data / "run/addresses.json"

    def addresses(self) -> Any:
        """What the server has bound."""
        return json.loads(self.addresses_file.read_text(encoding="utf-8"))

    @property
    def http(self) -> str:
        """The URL of the HTTP door, without a slash at its end."""
        return f"http://{self.addresses()['http']}"

    def log(self) -> str:
        """Everything the server and the commands said on standard error."""
        if not self.log_file.exists():
            return ""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def troubles(self) -> Sequence[str]:
        """The tracebacks in the log, each with the lines around it."""
        lines = self.log().splitlines()
        return [
            "\n".join(lines[max(0, at - 3) : at + 40])
            for at, line in enumerate(lines)
            if "Traceback" in line
        ]

    def _serves(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"serve ended: {self.log()[-3000:]}")
        if not self.addresses_file.exists():
            return False
        return bool(self.addresses_file.stat().st_size)


def _clean_environment() -> dict[str, str]:
    """The environment without settings meant for another Postroom."""
    return {k: v for k, v in os.environ.items() if not k.startswith("POSTROOM_")}
