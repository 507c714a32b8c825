"""Compiled modules are loaded from inside the archive, without a file on disk.

Python imports `.py` from a zip but no `.so`, because the dynamic linker wants a
file. A memfd is one that exists in memory only. Where the kernel refuses a memfd
(a system call filter, `vm.memfd_noexec`), the modules are written to
`$CACHE_DIRECTORY`, which systemd's `CacheDirectory=` sets. Everything else is
left to Python's own zip importer.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from zipimport import zipimporter


class ExtensionsInZip(MetaPathFinder):
    """Finds the compiled modules of one archive and of nothing else."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._importer = zipimporter(archive)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
        /,
    ) -> ModuleSpec | None:
        """The spec of `fullname` if the archive has it as a compiled module."""
        del path, target
        stem = "/".join([self._archive, *fullname.split(".")])
        for suffix in EXTENSION_SUFFIXES:
            try:
                content = self._importer.get_data(stem + suffix)
            except OSError:
                continue
            file = _file_of(fullname, content)
            loader = ExtensionFileLoader(fullname, file)
            return spec_from_file_location(fullname, file, loader=loader)
        return None


def install(archive: str) -> None:
    """Compiled modules in `archive` are importable from now on.

    First in line: Debian's own `_cffi_backend`, if installed, is another version.
    Imports go by an open descriptor, so a process that outlives an upgrade of the
    file still imports from the one it was started from.
    """
    opened = f"/proc/self/fd/{os.open(archive, os.O_RDONLY)}"
    sys.path[sys.path.index(archive)] = opened
    sys.meta_path.insert(0, ExtensionsInZip(opened))


def _file_of(name: str, content: bytes) -> str:
    """A path for the dynamic linker under which `content` lies."""
    try:
        return _in_memory(name, content)
    except OSError as error:
        return _in_cache(name, content, why=error)


def _in_memory(name: str, content: bytes) -> str:
    """The descriptor stays open: the linker takes an equal path for an equal file."""
    descriptor = os.memfd_create(name)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return f"/proc/self/fd/{descriptor}"


def _in_cache(name: str, content: bytes, *, why: OSError) -> str:
    folder = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
    if not folder:
        sys.exit(
            f"postroom: the module {name} cannot be loaded: memfd_create is refused "
            f"here ({why.strerror}) and CACHE_DIRECTORY is not set; allow memfd_create "
            "or set CACHE_DIRECTORY to a folder of postroom's own"
        )
    import hashlib

    digest = hashlib.sha256(content).hexdigest()[:16]
    place = Path(folder, f"{name}-{digest}.so")
    try:
        if not (place.is_file() and place.read_bytes() == content):
            _write_whole(place, content)
    except OSError as error:
        sys.exit(
            f"postroom: the module {name} cannot be loaded: memfd_create is refused "
            f"here ({why.strerror}) and {place} cannot be written ({error.strerror})"
        )
    return str(place)


def _write_whole(place: Path, content: bytes) -> None:
    """Another process sees all of `content` at `place` or nothing."""
    import tempfile

    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(place)
