"""dist/postroom.pyz, built for real: one file that runs anywhere and leaves no trace.

The compiled parts are exercised by importing them through the archive's own loader.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.zipapp.building import Builds, find_python

pytestmark = [pytest.mark.zipapp, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
VERSIONS = ("3.11", "3.12", "3.13")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

# Run as `python -c LOAD_ALL archive`: what serve imports, compiled parts first.
LOAD_ALL = """
import sys
sys.path.insert(0, sys.argv[1])
import extensions_in_zip
extensions_in_zip.install(sys.path[0])
import _cffi_backend, markupsafe._speedups, msgspec._core
import cryptography.hazmat.bindings._rust
import aiosqlite, click, dkim, dns.asyncresolver, hypercorn.trio, quart_trio
import trio_websocket
from importlib.metadata import version
print(_cffi_backend.__file__, version("trio"))
"""


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """Each Python that the archive is for; Debian 12 has only the first."""
    wanted: str = request.param
    found = find_python(wanted)
    if found is None:
        missing = f"no python{wanted} here"
        if wanted == "3.11" and os.environ.get("POSTROOM_REQUIRE_INTEGRATION"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture
def any_python() -> str:
    """A Python outside every virtual environment, for other users to start."""
    return next(filter(None, map(find_python, VERSIONS)), sys.executable)


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """One program with nothing in its environment but a PATH and `env`."""
    return subprocess.run(
        words,
        cwd="/",
        env={"PATH": os.environ["PATH"], **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )


def needs_root(*programs: str) -> None:
    """Skips by name what only root can set up."""
    missing = [name for name in programs if shutil.which(name) is None]
    if os.geteuid() != 0:
        pytest.skip(f"root is needed for {' and '.join(programs)}")
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")


def test_two_builds_of_one_tree_are_the_same_bytes(builds: Builds) -> None:
    """Neither the path, nor the day, nor what was cached shows in the archive."""
    assert builds.first.read_bytes() == builds.second.read_bytes()


def test_the_archive_is_sorted_and_dated_by_the_commit(pyz: Path) -> None:
    """One date for all entries, so a rebuild next year is the same."""
    with zipfile.ZipFile(pyz) as archive:
        entries = archive.infolist()
    assert [each.filename for each in entries] == sorted(
        each.filename for each in entries
    )
    assert len({each.date_time for each in entries}) == 1
    assert pyz.read_bytes().startswith(b"#!/usr/bin/env python3\n")


def test_bytecode_does_not_know_where_it_was_compiled(builds: Builds) -> None:
    """Tracebacks name `postroom.pyz/...`, not a builder's folder."""
    with zipfile.ZipFile(builds.first) as archive:
        code = archive.read("appliance/__init__.pyc")
    assert b"postroom.pyz/appliance/__init__.py" in code
    assert str(builds.first.parents[1]).encode() not in code


def test_version_runs_on_each_python(python: str, pyz: Path) -> None:
    """The archive says what it is, on Debian's Python and on the next two."""
    done = run(python, "-W", "error", pyz, "version", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    info = json.loads(done.stdout)
    assert python.endswith(".".join(info["python"].split(".")[:2]))
    assert info["parts"]["trio"].startswith("0.")


def test_every_part_loads_on_each_python(python: str, pyz: Path) -> None:
    """The compiled parts are there for each Python and come from memory."""
    done = run(python, "-c", LOAD_ALL, pyz)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("/proc/self/fd/")


def test_version_imports_nothing_heavy(any_python: str, pyz: Path) -> None:
    """`postroom version` answers at once because it loads no server."""
    done = run(any_python, "-X", "importtime", pyz, "version")
    assert done.returncode == 0, done.stderr
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {"trio", "quart", "hypercorn", "cryptography", "dns", "dkim"}


def test_it_starts_as_a_program_by_its_first_line(pyz: Path) -> None:
    """`./postroom.pyz` is enough."""
    assert os.access(pyz, os.X_OK)
    done = run(pyz, "version")
    assert done.returncode == 0, done.stderr


def test_nobody_without_a_home_runs_it(any_python: str, pyz: Path) -> None:
    """A service user has no home, no shell and no cache folder."""
    needs_root("setpriv")
    if not Path(any_python).is_relative_to("/usr/bin"):
        pytest.skip(f"{any_python} is root's own")
    done = run(*NOBODY, any_python, "-c", LOAD_ALL, pyz, HOME="/nonexistent")
    assert done.returncode == 0, done.stderr


def test_it_runs_on_a_read_only_file_system(any_python: str, pyz: Path) -> None:
    """Nothing is written: in a namespace of its own every mount is read-only."""
    needs_root("unshare", "mount")
    script = 'mount -o remount,bind,ro / && ! touch "$0.x" 2>&- && exec "$@"'
    probe = run("unshare", "-m", "sh", "-c", script, pyz, "true")
    if probe.returncode != 0:
        pytest.skip("no read-only root in a mount namespace here")
    done = run(
        "unshare", "-m", "sh", "-c", script, *(pyz, any_python, "-c"), LOAD_ALL, pyz
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_extracted(any_python: str, pyz: Path, tmp_path: Path) -> None:
    """Home, temporary folder and the archive's own folder stay as they were."""
    home = tmp_path / "home"
    home.mkdir()
    before = sorted(tmp_path.rglob("*"))
    done = run(any_python, "-c", LOAD_ALL, pyz, HOME=str(home), TMPDIR=str(home))
    assert done.returncode == 0, done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_an_upgrade_under_a_running_process_does_no_harm(
    any_python: str, pyz: Path
) -> None:
    """Imports go on from the file that the process was started from."""
    wait = "print(flush=True); sys.stdin.read()\nimport _cffi"
    with subprocess.Popen(
        [any_python, "-c", LOAD_ALL.replace("import _cffi", wait), pyz],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        fresh = pyz.with_suffix(".new")
        fresh.write_bytes(b"another version")
        fresh.replace(pyz)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


needs_x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the filter knows x86-64 only"
)


@needs_x86_64
def test_without_memfd_the_cache_folder_serves(
    any_python: str, pyz: Path, tmp_path: Path
) -> None:
    """Where memfd_create is refused, the parts go to $CACHE_DIRECTORY, once."""
    cache = tmp_path / "cache"
    cache.mkdir()
    command = (any_python, HERE / "refuse_memfd.py", any_python, "-c", LOAD_ALL, pyz)
    for _ in range(2):
        done = run(*command, CACHE_DIRECTORY=str(cache))
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(str(cache))
    names = sorted(path.name.split("-")[0] for path in cache.iterdir())
    assert names == [
        "_cffi_backend",
        "cryptography.hazmat.bindings._rust",
        "markupsafe._speedups",
        "msgspec._core",
    ]


@needs_x86_64
@pytest.mark.parametrize("cache", ["", "/nonexistent"])
def test_without_memfd_and_cache_the_cure_is_named(
    any_python: str, pyz: Path, cache: str
) -> None:
    """One sentence instead of an ImportError from the middle of a library."""
    command = (any_python, HERE / "refuse_memfd.py", any_python, "-c", LOAD_ALL, pyz)
    done = run(*command, CACHE_DIRECTORY=cache)
    assert done.returncode == 1
    assert done.stderr.startswith("postroom: the module _cffi_backend cannot be loaded")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_python_gets_one_sentence(pyz: Path) -> None:
    """An older python3 says which Python to take, not a SyntaxError."""
    old = next(filter(None, map(find_python, ("3.6", "3.8", "3.9", "3.10"))), None)
    if old is None:
        pytest.skip("no Python older than 3.11 here")
    done = run(old, pyz, "version")
    assert done.returncode == 1
    assert done.stderr.startswith("postroom: Python 3.11, 3.12 or 3.13 is needed")
