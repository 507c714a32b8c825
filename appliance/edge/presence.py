"""What other programs see of a running server: its lock, its addresses, its key.

The lock says whether there is one, for it ends with the process; the files say
how to reach it and are only for the owner of the data folder.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from appliance.flow.setup import DataFolder, FolderError


@contextmanager
def locked(folder: DataFolder) -> Iterator[None]:
    """The data folder is this process's alone; the lock ends with the process."""
    try:
        folder.run.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder.lock, os.O_CREAT | os.O_WRONLY, 0o600)
    except OSError as error:
        raise FolderError(
            f"{folder.run} cannot be used: {error.strerror}",
            "Run the server as the user that owns the data folder.",
        ) from None
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise FolderError(
            f"another server holds {folder.lock}",
            "One data folder has one server: stop that one, or name another"
            " folder with --data.",
        ) from None
    try:
        withdraw(folder)  # what a server that was killed has left
        yield
    finally:
        os.close(lock)


@contextmanager
def announced(
    folder: DataFolder, addresses: Mapping[str, object], operator_key: str
) -> Iterator[None]:
    """Let other programs know where we listen; gone when we end in order."""
    try:
        _write_private(folder.control_key, operator_key + "\n")
        _write_private(folder.addresses, json.dumps(dict(addresses), indent=1) + "\n")
    except OSError as error:
        raise FolderError(
            f"{folder.run} cannot be written: {error.strerror}",
            "Look at the disk; then start again.",
        ) from None
    tell_systemd("READY=1")
    try:
        yield
    finally:
        withdraw(folder)


def withdraw(folder: DataFolder) -> None:
    """No program finds a server here any more."""
    for path in (folder.addresses, folder.control_key):
        path.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    """Put a file in place as a whole, readable by its owner alone."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    draft.replace(path)


def tell_systemd(state: str) -> None:
    """sd_notify(3), if we were started by something that listens."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
        sender.connect("\0" + name[1:] if name.startswith("@") else name)
        sender.send(state.encode())
