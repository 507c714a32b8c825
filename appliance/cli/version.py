"""`postroom version`: what runs here, for a bug report or an inventory.

The zipapp carries its build's facts in build.json, because asking a zip for the
metadata of eleven libraries is slow; a checkout is asked itself. Nothing heavy is
imported: the libraries' versions are read, not their code.
"""

import json
import platform
import sqlite3
import ssl
import subprocess
from dataclasses import asdict, dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import TypedDict

import click

import appliance
from appliance.cli.common import Call, common, example

PARTS = (
    "trio",
    "hypercorn",
    "quart",
    "quart-trio",
    "trio-websocket",
    "dkimpy",
    "aiosqlite",
    "dnspython",
    "cryptography",
    "msgspec",
    "click",
)


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One running postroom: its own version, what it runs on, what it is made of.

    `version` ends in `+dirty` when files differed from `commit`; `commit` is None
    where neither a build nor a checkout knows it.
    """

    version: str
    commit: str | None
    python: str
    sqlite: str
    openssl: str
    parts: dict[str, str]


class _Build(TypedDict):
    """What scripts/zipapp/build.py writes into build.json."""

    version: str
    commit: str | None
    parts: dict[str, str]


def version_info() -> VersionInfo:
    """The facts of this process."""
    build = _packed() or _checkout()
    return VersionInfo(
        version=build["version"],
        commit=build["commit"],
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        openssl=ssl.OPENSSL_VERSION,
        parts={name: build["parts"][name] for name in PARTS},
    )


def _packed() -> _Build | None:
    """The facts of the build, if this is one."""
    file = resources.files(appliance).joinpath("build.json")
    if not file.is_file():
        return None
    build: _Build = json.loads(file.read_text(encoding="utf-8"))
    return build


def _checkout() -> _Build:
    dirty = "+dirty" if _git("status", "--porcelain") else ""
    return _Build(
        version=appliance.__version__ + dirty,
        commit=_git("rev-parse", "HEAD"),
        parts={name: metadata.version(name) for name in PARTS},
    )


def _git(*words: str) -> str | None:
    """What git says about this checkout, or None without git or a checkout."""
    root = Path(appliance.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - literal words only
            ["git", "-C", str(root), *words],  # noqa: S607 - the operator's own git
            capture_output=True,
            check=True,
            text=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


@click.command(
    short_help="Show the version and what it is made of.",
    epilog=example("postroom version --json"),
)
@common
def version(call: Call) -> None:
    """Show the version, the commit and the versions of the parts."""
    info = version_info()
    if call.as_json:
        click.echo(json.dumps(asdict(info)))
        return
    click.echo(f"postroom {info.version} (commit {info.commit or 'unknown'})")
    click.echo(f"Python {info.python}, SQLite {info.sqlite}, {info.openssl}")
    for name, number in info.parts.items():
        click.echo(f"{name} {number}")
