"""The real `postroom agent` as a process that may write its own folder and no other.

It is nobody, who may read everything (a Python that runs the tests is often in a
closed home), and who gains nothing. Its folder is below /tmp, since pytest's is
closed to that user. What it says goes to one file.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from tests.fakes.postroom import ROOT, program_words
from tests.fakes.programs import free_port, wait_until

NOBODY = 65534
_UNPRIVILEGED = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--no-new-privs",
    *(
        f"--{which}=-all,+dac_read_search"
        for which in ("inh-caps", "ambient-caps", "bounding-set")
    ),
)
_START_S = 20
_STOP_S = 20


class LogAgent:
    """A place on disk, and the process that comes and goes.

    ``settings`` are lines of its configuration, which has the key in a file.
    """

    def __init__(self, key: str, endpoint: str, settings: Mapping[str, str]) -> None:
        self._made_of = key, endpoint, settings
        self.folder = Path(tempfile.mkdtemp(prefix="postroom-agent-"))
        self.folder.chmod(0o755)
        self.state = self.folder / "state"
        self.state.mkdir()
        self.key_file = self.folder / "key"
        self.key_file.write_text(key + "\n", encoding="ascii")
        self.log_file = self.folder / "agent.log"
        for one in (self.state, self.key_file):
            shutil.chown(one, NOBODY)
        self.key_file.chmod(0o400)
        self.port = free_port()
        lines = {
            "api-key-file": str(self.key_file),
            "endpoint": endpoint,
            "state-path": str(self.state),
            "health": f"127.0.0.1:{self.port}",
            **settings,
        }
        self.config = self.folder / "config.yaml"
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        self.config.write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def again(self, settings: Mapping[str, str]) -> Self:
        """Another one, which knows nothing yet, with some lines in place of its own."""
        key, endpoint, own = self._made_of
        return type(self)(key, endpoint, {**own, **settings})

    def start(self, path: Path | None = None) -> None:
        """Run it, and return once it answers; programs are looked for in ``path``."""
        environment = dict(os.environ)
        if path is not None:
            environment["PATH"] = f"{path}:{environment['PATH']}"
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_UNPRIVILEGED,
                    *program_words(),
                    *("agent", "--config", str(self.config)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=environment,
            )
        wait_until(self._answers, _START_S, "the agent answers")

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(_STOP_S)
        self._process = None
        return status

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def end(self) -> None:
        """Ask it to end, if it runs."""
        if self._process is not None:
            self.stop()

    def close(self) -> None:
        """End it, if it runs, and remove its folder."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def arguments(self) -> str:
        """What the process list shows of it to everybody."""
        assert self._process is not None
        file = Path(f"/proc/{self._process.pid}/cmdline")
        return file.read_bytes().replace(b"\0", b" ").decode()

    @property
    def user(self) -> int:
        """Whose process it is."""
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}").stat().st_uid

    def metrics(self) -> dict[str, float]:
        """Its counters, by their names."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False)
        lines = [one for one in answer.text.splitlines() if not one.startswith("#")]
        pairs = [line.rsplit(" ", 1) for line in lines if line]
        return {name: float(value) for name, value in pairs}

    def log(self) -> str:
        """All that it said."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the agent ended: {self.log()[-3000:]}")
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/health", trust_env=False)
        except httpx.TransportError:
            return False
        return True
