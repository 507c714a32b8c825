"""Is a server running on this data folder, and how is it reached?"""

import json
import os
from dataclasses import dataclass, field
from fcntl import LOCK_NB, LOCK_SH, flock
from pathlib import Path

from appliance.flow.setup import DataFolder

MAX_FILE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Running:
    """A server at work: what it is bound to, and the key that it takes from us."""

    addresses: dict[str, object]
    control_key: str = field(repr=False)

    @property
    def live_url(self) -> str:
        """Where the event websocket is, "" if the server has no HTTP door."""
        return str(self.addresses.get("live", ""))


def find_running(data: Path) -> Running | None:
    """The server on this data folder; None if there is none that is ready.

    A server that was killed leaves its files behind, and another program may have
    its port by now: only the lock ends with the process.
    """
    folder = DataFolder(data)
    try:
        addresses = json.loads(_read(folder.addresses))
        control_key = _read(folder.control_key).strip()
        # Asked last: where no server was, a start never meets our hand on its lock.
        if not isinstance(addresses, dict) or not _is_held(folder.lock):
            return None
    except (OSError, ValueError):
        return None
    return Running(addresses, control_key)


def _is_held(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDONLY)
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as stream:
        return stream.read(MAX_FILE_BYTES)
