"""Where real servers are found and how their processes are treated.

They come from Debian packages and are never the system's own instances: each
gets a folder, a loopback port and an end by its own process id.
"""

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

# Debian keeps servers where an ordinary user's PATH does not look.
_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
# The package that brings a program, where the names differ.
PACKAGES = {
    "opendkim-testmsg": "opendkim-tools",
    "smtp-source": "postfix",
    "smtp-sink": "postfix",
    "postmap": "postfix",
    "sendmail": "postfix",
    "journalctl": "systemd",
    "setpriv": "util-linux",
    "node": "nodejs",
}


def program(name: str) -> str | None:
    """The full path of a program, None if it is not installed."""
    return shutil.which(name) or shutil.which(name, path=_SBIN)


def package_of(name: str) -> str:
    """The Debian package to install for a program."""
    return PACKAGES.get(name, name)


def free_port() -> int:
    """A free loopback port that no outgoing connection can take meanwhile.

    It lies below the ephemeral range, since some servers cannot bind port 0.
    """
    for _ in range(1000):
        port = random.SystemRandom().randrange(12_000, 31_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free loopback port")


def listens(port: int) -> bool:
    """True once something takes connections there; nothing connects to find out.

    A server under test may count its sessions.
    """
    wanted = f":{port:04X}"
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        if words[1].endswith(wanted) and words[3] == "0A":
            return True
    return False


def wait_until(
    met: Callable[[], bool], seconds: float, what: str, pause: float = 0.02
) -> None:
    """Return as soon as ``met`` says so, which is asked after each pause.

    Raises:
        TimeoutError: it did not within ``seconds``.
    """
    end = time.monotonic() + seconds
    while not met():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def end(process: subprocess.Popen[bytes], seconds: float = 10) -> int:
    """The exit status after SIGTERM, or after SIGKILL when that does not help."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
