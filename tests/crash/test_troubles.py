"""The process lives on, and what it stands on does not play along."""

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.campaign import Campaign
from tests.crash.sink import Sink

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

SHIM = Path(__file__).with_name("trouble.c")
TROUBLED_SECONDS = 3.0
# A writer waits five seconds for another process. The first to wait may be work of
# the house alone; whoever asked meanwhile waits behind it, and then as long again.
BUSY_SECONDS = 13.0


@pytest.fixture
def troubled(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a server whose disk and clock can be made to fail."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    shim = tmp_path / "trouble.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(SHIM), "-ldl"]
    subprocess.run(words, check=True)
    return {"LD_PRELOAD": str(shim), "TROUBLE": str(tmp_path / "trouble")}


@pytest.mark.parametrize("how", ["fsync", "full"])
def test_a_disk_that_fails_for_a_while_costs_no_mail(
    tmp_path: Path, troubled: Mapping[str, str], how: str
) -> None:
    """ATTACKS 26: nothing is promised, sent twice or forgotten meanwhile."""
    flag = Path(f"{troubled['TROUBLE']}.{how}")

    def trouble(_: Path, __: Sink) -> None:
        flag.touch()
        time.sleep(TROUBLED_SECONDS)
        flag.unlink()

    report = Campaign(tmp_path).endure(trouble, troubled)
    assert report.faults == []
    assert report.refused  # it was felt
    assert report.accepted


def test_a_clock_that_jumps_a_day_both_ways_costs_no_mail(
    tmp_path: Path, troubled: Mapping[str, str]
) -> None:
    """ATTACKS 26: what waits for a moment does not wait a day longer for it."""
    flag = Path(f"{troubled['TROUBLE']}.clock")

    def trouble(_: Path, __: Sink) -> None:
        flag.write_text("x" * 24)
        time.sleep(TROUBLED_SECONDS)
        flag.unlink()
        time.sleep(TROUBLED_SECONDS)
        flag.write_text("x" * 24)

    campaign = Campaign(tmp_path)
    report = campaign.endure(trouble, troubled)
    assert campaign.log().count("clock.set_back") == 2
    assert report.faults == []
    assert report.accepted


def test_another_process_that_holds_the_database_costs_no_mail(tmp_path: Path) -> None:
    """ATTACKS 26: SQLite busy for longer than anybody waits for it."""

    def trouble(database: Path, _: Sink) -> None:
        with closing(sqlite3.connect(database, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            time.sleep(BUSY_SECONDS)
            db.execute("ROLLBACK")

    report = Campaign(tmp_path).endure(trouble)
    assert report.faults == []
    assert report.refused
    assert report.accepted


def test_an_upstream_that_vanishes_in_the_middle_costs_no_mail(tmp_path: Path) -> None:
    """ATTACKS 23: pipelined transactions at every stage lose their server.

    Those whose dot had left are in doubt, and only they may arrive twice.
    """

    def trouble(_: Path, sink: Sink) -> None:
        for _round in range(3):
            sink.vanish()
            time.sleep(0.5)
            sink.come_back()
            time.sleep(2.5)

    report = Campaign(tmp_path).endure(trouble)
    assert report.faults == []
    assert report.accepted
