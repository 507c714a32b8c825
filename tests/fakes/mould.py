"""A folder that takes long to make, made once and written out for each test."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Part:
    """A file, or a folder if it has no content."""

    name: Path
    mode: int
    content: bytes | None


class Mould:
    """The files of a folder that nobody has open, with their modes."""

    def __init__(self, root: Path) -> None:
        self._parts = [_part(root, path) for path in (root, *sorted(root.rglob("*")))]

    def cast(self, root: Path) -> None:
        """Write them to a new folder."""
        root.parent.mkdir(parents=True, exist_ok=True)
        for part in self._parts:
            path = root / part.name
            if part.content is None:
                path.mkdir()
            else:
                path.write_bytes(part.content)
            path.chmod(part.mode)


def _part(root: Path, path: Path) -> _Part:
    content = None if path.is_dir() else path.read_bytes()
    return _Part(path.relative_to(root), path.stat().st_mode & 0o7777, content)
