"""Builds dist/postroom.pyz; scripts/build makes the environment and starts this.

The same commit and Python give the same bytes: entries are sorted, dated by the
commit, and compiled under the name `postroom.pyz/...` with a fixed hash seed.
Bytecode is that of the Python that builds; the others compile what they import.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
ARCHIVE = ROOT / "dist" / "postroom.pyz"
STAMP = BUILD / "postroom.stamp"
LOCK = ROOT / "scripts" / "lock" / "runtime.txt"
LOADER = ROOT / "scripts" / "zipapp"
LOADER_FILES = ("__main__.py", "extensions_in_zip.py")

PYTHONS = ("3.11", "3.12", "3.13")
# These are compiled for one Python each; cryptography's wheel serves all.
PER_PYTHON = ("cffi", "markupsafe", "msgspec")
# cryptography needs cffi's compiled half only; the rest is for building modules.
UNUSED_FOLDERS = ("bin", "cffi", "man", "pycparser", "share")
# PyYAML reads a file of ten lines without its compiled half.
UNUSED_FILES = ("yaml/_yaml.*.so",)
# hypercorn.testing and quart.testing are imported by quart itself: not listed.
UNUSED_NAMES = frozenset({"tests", "_tests", "__pycache__"})
UNUSED_SUFFIXES = frozenset({".pyi", ".c", ".h", ".cpp", ".pxd", ".pyx"})
METADATA_KEPT = frozenset({"METADATA", "LICENSE", "COPYING", "NOTICE", "AUTHORS"})

FIRST_ZIP_DATE = 315532800  # 1980-01-01, the earliest a zip can say


@dataclass(frozen=True, slots=True)
class Source:
    """What is built: the commit, whether files differ from it, and its time."""

    commit: str | None
    dirty: bool
    epoch: int

    @property
    def version(self) -> str:
        """The package's version, `+dirty` when the tree is not the commit."""
        text = (ROOT / "appliance" / "__init__.py").read_text(encoding="utf-8")
        found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
        if found is None:
            sys.exit("postroom: appliance/__init__.py states no __version__")
        return found[1] + ("+dirty" if self.dirty else "")


def read_source() -> Source:
    """The state of this checkout; without git neither commit nor date is known."""
    commit = _git("rev-parse", "HEAD")
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    return Source(
        commit=commit,
        dirty=bool(_git("status", "--porcelain")),
        epoch=max(int(epoch or 0), FIRST_ZIP_DATE),
    )


def build() -> None:
    """dist/postroom.pyz is that of this checkout."""
    source = read_source()
    key = _key(source)
    if ARCHIVE.exists() and _stamp() == [key, _digest(ARCHIVE.read_bytes())]:
        _say("dist/postroom.pyz is up to date")
        return
    started = time.monotonic()
    parts = _parts()
    own = _own(source, parts)
    _say("writing dist/postroom.pyz")
    ARCHIVE.parent.mkdir(exist_ok=True)
    fresh = ARCHIVE.with_suffix(".new")
    _write_archive(fresh, (parts, own), source.epoch)
    STAMP.write_text(f"{key} {_digest(fresh.read_bytes())}\n", encoding="ascii")
    fresh.replace(ARCHIVE)
    size = ARCHIVE.stat().st_size / 1e6
    seconds = time.monotonic() - started
    _say(
        f"dist/postroom.pyz is built: {source.version}, {size:.1f} MB, {seconds:.0f} s"
    )


def _key(source: Source) -> str:
    """Changes when anything does that the archive is made of."""
    total = hashlib.sha256(f"{source}{sys.version}".encode())
    for path in (*_files(ROOT / "appliance"), *_files(LOADER), LOCK):
        total.update(f"{path.relative_to(ROOT)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _stamp() -> list[str]:
    return STAMP.read_text(encoding="ascii").split() if STAMP.exists() else []


def _parts() -> Path:
    """The folder with every library, made once per lock file and Python."""
    made_from = (LOCK, LOCK.with_name("build.txt"), Path(__file__))
    inputs = b"".join(path.read_bytes() for path in made_from)
    folder = BUILD / f"parts-{_digest(inputs + sys.version.encode())[:16]}"
    if folder.exists():
        return folder
    for stale in BUILD.glob("parts-*"):
        shutil.rmtree(stale)
    unfinished = BUILD / "parts-unfinished"
    _say(f"fetching the libraries for Python {_this_python()}")
    _pip(
        *("install", "--target", str(unfinished), "--no-compile", "--require-hashes"),
        *("--use-pep517", "--no-build-isolation"),
        *("--only-binary=:all:", "--no-binary=dkimpy", "-r", str(LOCK)),
    )
    for version in PYTHONS:
        if version != _this_python():
            _say(f"fetching the compiled parts for Python {version}")
            _add_compiled_parts(unfinished, version)
    _prune(unfinished)
    _check_compiled_parts(unfinished)
    _say("compiling the libraries")
    _compile(unfinished)
    unfinished.rename(folder)
    return folder


def _add_compiled_parts(folder: Path, version: str) -> None:
    """The `.so` files of another Python lie beside this one's."""
    wheels = BUILD / "wheels" / version
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    wanted = wheels / "wanted.txt"
    wanted.write_text(_locked(PER_PYTHON), encoding="utf-8")
    _pip(
        *("download", "--no-deps", "--only-binary=:all:", "--require-hashes"),
        *("--python-version", version, "--dest", str(wheels), "-r", str(wanted)),
    )
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".so")]
            archive.extractall(folder, names)


def _locked(names: tuple[str, ...]) -> str:
    """The lock file's entries, hashes and all, of `names`."""
    text = LOCK.read_text(encoding="utf-8")
    entries = re.findall(r"^\S+==(?:[^\n]*\\\n)*[^\n]*\n", text, re.MULTILINE)
    return "".join(entry for entry in entries if entry.split("==")[0] in names)


def _prune(folder: Path) -> None:
    """What no run of postroom reads is gone."""
    for name in UNUSED_FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for pattern in UNUSED_FILES:
        for path in folder.glob(pattern):
            path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if path.name in UNUSED_NAMES:
                shutil.rmtree(path)
        elif path.suffix in UNUSED_SUFFIXES or not _kept_metadata(path):
            path.unlink()


def _kept_metadata(path: Path) -> bool:
    """Versions and licences stay; lists of installed files are no longer true."""
    if path.parent.suffix != ".dist-info":
        return True
    return path.name.split(".")[0] in METADATA_KEPT


def _check_compiled_parts(folder: Path) -> None:
    """Stops the build if a module is compiled for one Python and not for another."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*.so"):
        stem, _, tag = path.name.partition(".cpython-3")
        if tag:
            module = str(path.with_name(stem).relative_to(folder))
            found.setdefault(module, set()).add(f"3.{tag[:2]}")
    for module, versions in found.items():
        if versions != set(PYTHONS):
            sys.exit(
                f"postroom: {module} is compiled only for {sorted(versions)}; "
                "does it belong into PER_PYTHON of scripts/zipapp/build.py?"
            )


def _own(source: Source, parts: Path) -> Path:
    """The folder with the package, the loader, and what `postroom version` says."""
    folder = BUILD / "own"
    shutil.rmtree(folder, ignore_errors=True)
    for path in _files(ROOT / "appliance"):
        _copy(path, folder / path.relative_to(ROOT))
    _write_build_info(folder / "appliance" / "build.json", source, parts)
    for name in LOADER_FILES:
        _copy(LOADER / name, folder / name)
    _say("compiling the package")
    _compile(folder)
    # The sentence for a wrong Python is read by that Python: source only.
    (folder / "__main__.pyc").unlink()
    return folder


def _write_build_info(path: Path, source: Source, parts: Path) -> None:
    distributions = importlib.metadata.distributions(path=[str(parts)])
    info = {
        "version": source.version,
        "commit": source.commit,
        "parts": {each.name.lower(): each.version for each in distributions},
    }
    text = json.dumps(info, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def _compile(folder: Path) -> None:
    """Bytecode lies beside each source file, free of dates and of this path.

    UNCHECKED_HASH, because a zip's dates never match those in other bytecode.
    A process of its own with a fixed seed, because marshal's bytes depend on both.
    """
    subprocess.run(
        [
            *(sys.executable, "-m", "compileall", "-q", "-b"),
            *("--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", "postroom.pyz", str(folder)),
        ],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )


def _write_archive(path: Path, folders: tuple[Path, ...], epoch: int) -> None:
    """One zip of all `folders` behind a line that makes it a program.

    With entries for folders: zipimport needs them for packages without __init__.
    """
    entries = {
        each.relative_to(folder).as_posix() + "/" * each.is_dir(): each
        for folder in folders
        for each in folder.rglob("*")
    }
    with path.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(
            file, "w", zipfile.ZIP_DEFLATED, compresslevel=9
        ) as zipped:
            for name in sorted(entries):
                content = b"" if name.endswith("/") else entries[name].read_bytes()
                zipped.writestr(_entry(name, epoch), content)
    path.chmod(0o755)


def _entry(name: str, epoch: int) -> zipfile.ZipInfo:
    """The same for everybody: no date, owner or mode of this machine."""
    year, month, day, hour, minute, second = time.gmtime(epoch)[:6]
    entry = zipfile.ZipInfo(name, (year, month, day, hour, minute, second))
    entry.create_system = 3  # Unix
    folder = name.endswith("/")
    entry.external_attr = (0o40755 if folder else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_STORED if folder else zipfile.ZIP_DEFLATED
    return entry


def _files(folder: Path) -> Iterator[Path]:
    """The files below `folder` that belong to it, sorted."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden:
            yield path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _git(*words: str) -> str | None:
    """What git says about this checkout, or None without git or a checkout.

    safe.directory: a build by root in a user's checkout is meant.
    """
    command = ["git", "-c", f"safe.directory={ROOT}", *words]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, check=False, text=True
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _pip(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "-qq", *words], check=False)
    if done.returncode != 0:
        sys.exit(f"postroom: pip {words[0]} failed (its words are above)")


def _this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _say(sentence: str) -> None:
    print(f"postroom: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    build()
