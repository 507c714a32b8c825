"""Is a server running on this data folder, and how is it reached?"""

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path

from appliance.setup import DataFolder

_PATIENCE_SECONDS = 1.0
MAX_FILE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: what it is bound to, and the key that it takes from us."""

    addresses: dict[str, object]
    control_key: str = field(repr=False)

    @property
    def live_url(self) -> str:
        """Where the event websocket is."""
        return str(self.addresses.get("live", ""))


def find_running(data: Path) -> Running | None:
    """The server on this data folder; None if there is none that answers.

    A server that was killed leaves its file behind, so its door is tried.
    """
    folder = DataFolder(data)
    try:
        addresses = json.loads(_read(folder.addresses))
        control_key = _read(folder.control_key).strip()
        host, _, port = str(addresses["http"]).rpartition(":")
        socket.create_connection(
            (host.strip("[]"), int(port)), _PATIENCE_SECONDS
        ).close()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Running(addresses, control_key)


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as stream:
        return stream.read(MAX_FILE_BYTES)
