"""A real systemd-journald of our own: a namespace that no other program writes to.

It needs root and journald's program, not a running systemd. `folder` holds a
`journalctl` to be put before the PATH: the real one, looking into that namespace.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.fakes.programs import end, program, wait_until

JOURNALD = Path("/lib/systemd/systemd-journald")
_MAIL_INFO = 2 << 3 | 6  # facility mail, priority info (RFC 3164 4.1.1)
_START_S = 20


class Journal:
    """One running journald."""

    def __init__(self, folder: Path) -> None:
        self.name = f"postroom{os.getpid()}x{time.monotonic_ns() % 10**9}"
        self._runtime = Path("/run/systemd") / f"journal.{self.name}"
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        self._logs = Path("/var/log/journal") / f"{machine}.{self.name}"
        self._made_parent = not self._logs.parent.exists()
        self._process = subprocess.Popen(
            [JOURNALD, self.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until((self._runtime / "dev-log").exists, _START_S, "journald listens")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(str(self._runtime / "dev-log"))
        self.folder = folder / "bin"
        self.folder.mkdir()
        wrapper = self.folder / "journalctl"
        wrapper.write_text(
            f'#!/bin/sh\nexec {program("journalctl")} --namespace={self.name} "$@"\n',
            encoding="ascii",
        )
        wrapper.chmod(0o755)

    def write(self, line: str) -> None:
        """Log a line of a mail log as its program would, by syslog(3)."""
        stamp, rest = line[:15], line[16:]
        _host, _, said = rest.partition(" ")
        self._socket.send(f"<{_MAIL_INFO}>{stamp} {said}".encode())

    def close(self) -> None:
        """End it and remove what it kept."""
        self._socket.close()
        end(self._process)
        for place in (self._runtime, self._logs):
            shutil.rmtree(place, ignore_errors=True)
        if self._made_parent:
            self._logs.parent.rmdir()
