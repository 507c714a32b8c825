"""Files that are there whole or not at all, whatever happens meanwhile."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_once(path: Path, content: bytes) -> None:
    """Put a file (0600) in place whole, or not at all; one that is there stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):  # another one was faster: its file counts
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """A folder (0700) for the owner alone; one that is there stays as it is."""
    path.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
