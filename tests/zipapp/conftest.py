"""Real builds of the zipapp, once per run."""

import shutil
from pathlib import Path

import pytest

from tests.zipapp.building import ROOT, Builds, build, copy_tree


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """The first reuses what scripts/build has fetched here; the second has nothing.

    Both are copies, so that nobody's editing comes between them, and a tree with
    changes can be tested before it is a commit.
    """
    first = tmp_path_factory.mktemp("first") / "tree"
    second = tmp_path_factory.mktemp("second") / "elsewhere" / "checkout"
    copy_tree(ROOT, first)
    copy_tree(first, second)
    if (ROOT / "build").is_dir():
        shutil.copytree(ROOT / "build", first / "build", symlinks=True)
    return Builds(build(first), build(second))


@pytest.fixture
def pyz(builds: Builds, tmp_path: Path) -> Path:
    """An archive of this tree, where any user may read it."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o555)
    return Path(shutil.copy(builds.first, tmp_path))
