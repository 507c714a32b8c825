"""Lines from systemd's journal, through ``journalctl -o json`` and its cursor.

An entry becomes the line that it would be in a file, so that all that is said about
lines holds for it too. Only what was logged as mail is asked for (facility 2). The
pipe to journalctl is the bound: while it is not read, it waits.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from appliance.agent.maillog import MAX_LINE
from appliance.agent.place import Cursor

CHUNK = 128 * 1024
MAX_ENTRY = 256 * 1024
JOURNALCTL = (
    *("journalctl", "--output=json", "--no-pager", "--quiet", "--all"),
    *("--no-tail", "SYSLOG_FACILITY=2"),
)
_TAG = re.compile(r"[\w./-]{1,120}")
_HOST = re.compile(r"[\w.-]{1,255}")


@dataclass(frozen=True, slots=True)
class JournalChunk:
    """Some entries as lines."""

    lines: Sequence[bytes]
    places: Sequence[Cursor]

    @property
    def end(self) -> Cursor:
        """Behind the last."""
        return self.places[-1]

    def after(self, index: int, done: int) -> Cursor:
        """Behind that one."""
        del done
        return self.places[index]


class Journal:
    """Runs journalctl from a place on; close it."""

    def __init__(
        self,
        place: Cursor | None = None,
        *,
        follow: bool = True,
        command: Sequence[str] = JOURNALCTL,
    ) -> None:
        self._place = place
        self._follow = follow
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._over = False
        self.lost = 0

    @property
    def place(self) -> Cursor | None:
        """How far it was read."""
        return self._place

    def close(self) -> None:
        """End journalctl."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def behind(self) -> int:
        """Nobody knows: the journal does not say."""
        return 0

    def next_file(self) -> bool:
        """It is one stream."""
        return False

    def turn(self) -> JournalChunk | None:
        """Never asked for."""
        return None

    def read(self) -> JournalChunk | None:
        """The next entries, None if there are none now.

        Raises:
            OSError: journalctl cannot be run, or has ended; to be tried again.
        """
        if self._over:
            return None
        data = self._more()
        if data is None:
            return None
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if len(self._rest) > MAX_ENTRY:  # its end alone is no JSON, and is left out
            self._rest = b""
        found = list(self._entries(whole)) if newline else []
        if not found:
            return None
        self._place = found[-1][1]
        return JournalChunk([line for line, _ in found], [at for _, at in found])

    def _more(self) -> bytes | None:
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdout is not None
        try:
            data = os.read(process.stdout.fileno(), CHUNK)
        except BlockingIOError:
            return None
        if not data:
            self._ended(process)
        return data or None

    def _start(self) -> None:
        words = list(self._command)
        if self._follow:
            words.append("--follow")
        if self._place is not None:
            words.append(f"--after-cursor={self._place.cursor}")
        self._rest = b""
        self._process = subprocess.Popen(  # noqa: S603 - our own words and a cursor
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), not self._follow)

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        """The end of what is there if that was asked for, else a failure."""
        status = process.wait()
        self.close()
        self._over = not self._follow and status == 0
        if not self._over:
            raise OSError(f"journalctl ended with status {status}")

    def _entries(self, data: bytes) -> Iterator[tuple[bytes, Cursor]]:
        for text in data.split(b"\n"):
            try:
                entry = json.loads(text)
                place = Cursor(
                    str(entry["__CURSOR"]), int(entry["__REALTIME_TIMESTAMP"])
                )
                yield _line(entry, place.at_us), place
            except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
                continue


def _line(entry: dict[str, object], at_us: int) -> bytes:
    """The entry as a line, b"" if it cannot be one of Postfix's."""
    tag, host = str(entry.get("SYSLOG_IDENTIFIER")), str(entry.get("_HOSTNAME"))
    pid = str(entry.get("SYSLOG_PID") or entry.get("_PID"))
    if not (_TAG.fullmatch(tag) and _HOST.fullmatch(host) and pid.isdecimal()):
        return b""
    stamp = datetime.fromtimestamp(at_us / 1e6, UTC).isoformat()
    message = _message(entry.get("MESSAGE")).replace(b"\n", b" ")
    return f"{stamp} {host} {tag}[{pid}]: ".encode() + message


def _message(told: object) -> bytes:
    """A text, or a list of bytes where the text is not UTF-8."""
    if isinstance(told, list):
        return bytes(told[:MAX_LINE])
    text = told if isinstance(told, str) else ""
    return text[:MAX_LINE].encode("utf-8", "replace")
