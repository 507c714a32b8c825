import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import failpoint
from appliance.failpoint import POINTS, VARIABLE
from tests.fakes.postroom import ROOT

APPLIANCE = Path(failpoint.__file__).parent
REACHES = re.compile(r'failpoint\.reach\("([\w.]+)"\)')


def passed(armed: str, *names: str) -> subprocess.CompletedProcess[bytes]:
    """A process that gets to these points in turn, and says each it has passed."""
    program = (
        "import sys; from appliance.failpoint import reach\n"
        "for name in sys.argv[1:]: reach(name); print(name, flush=True)"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *names],
        env={**os.environ, VARIABLE: armed},
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=30,
    )


def test_it_dies_at_the_armed_point_when_its_turn_comes() -> None:
    """As by kill -9, and nowhere else."""
    done = passed("dot.sent:2", "dot.sent", "answer.read", "dot.sent", "answer.read")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == [b"dot.sent", b"answer.read"]


def test_without_the_variable_nothing_happens() -> None:
    """A production server passes all of them."""
    done = passed("", *POINTS)
    assert done.returncode == 0
    assert len(done.stdout.split()) == len(POINTS)


@pytest.mark.parametrize("armed", ["dot.snet", ":3", "dot.sent:x"])
def test_a_typo_is_an_error_at_the_start(armed: str) -> None:
    """A crash suite that waits for a point that does not exist proves nothing."""
    assert b"ValueError" in passed(armed).stderr


def test_every_point_is_on_the_walk_once() -> None:
    """The list is what the code has, no more and no less."""
    found = [
        name
        for path in APPLIANCE.rglob("*.py")
        for name in REACHES.findall(path.read_text(encoding="utf-8"))
    ]
    assert sorted(found) == sorted(POINTS)
