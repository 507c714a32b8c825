"""Builds copies of this tree, and finds the Pythons to start the result with."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_COPIED = frozenset(
    {
        ".venv",
        "build",
        "dist",
        "postroom-data",
        ".hypothesis",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
    }
)


@dataclass(frozen=True, slots=True)
class Builds:
    """Two archives of one tree, each built at its own path."""

    first: Path
    second: Path


def build(tree: Path) -> Path:
    """What `scripts/build` of `tree` makes; its words are the failure's."""
    done = subprocess.run(
        [tree / "scripts" / "build"],
        cwd="/",
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return tree / "dist" / "postroom.pyz"


def copy_tree(source: Path, target: Path) -> None:
    """`target` is `source` without what is built; its files are dated now."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        at_top = NOT_COPIED if Path(folder) == source else frozenset[str]()
        return {name for name in names if name in at_top or name == "__pycache__"}

    # shutil.copy, not copy2, which would keep the dates.
    shutil.copytree(
        source,
        target,
        symlinks=True,
        ignore=left_out,
        copy_function=shutil.copy,
    )


def find_python(version: str) -> str | None:
    """A working Python of this version: Debian's, the PATH's, or pyenv's."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates = [
        f"/usr/bin/{name}",
        *(str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/{name}"))),
        shutil.which(name) or "",
    ]
    return next((path for path in candidates if path and _starts(path)), None)


def _starts(path: str) -> bool:
    """Pyenv's shims exist for Pythons that are switched off."""
    try:
        done = subprocess.run([path, "-c", ""], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0
