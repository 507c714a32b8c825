import json
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from appliance import demo
from appliance.flow.setup import DataFolder, FolderError, initialise
from tests.fakes.postroom import ROOT, program_words
from tests.fakes.programs import wait_until
from tests.fakes.this_process import as_it_was

KINDS = ["processed", "sent", "opened", "clicked"]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """The demo sets the log up; a later test must not find its stream."""
    with as_it_was():
        yield


def play(capsys: pytest.CaptureFixture[str], *, as_json: bool = False) -> str:
    """What a demo that comes to its end prints."""
    assert demo.run(once=True, data=None, as_json=as_json) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_it_shows_the_life_of_a_mail(
    capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    """Four events in order, then the mail that left, and where to look at it."""
    out = play(capsys)
    told = re.findall(r"^ +[\d.]+ s  (\d+)  (\w+) +(\S+)", out, re.MULTILINE)
    assert [(name, to) for _, name, to in told] == [
        (kind, "bob@recipient.test") for kind in KINDS
    ]
    assert [number for number, _, _ in told] == ["58", "59", "65", "66"]
    assert "POST http://127.0.0.1:" in out
    for line in ("DKIM-Signature: ", "List-Unsubscribe: <", "Subject: Your order 4711"):
        assert f"| {line}" in out
    assert "Look at it: http://127.0.0.1:" in out
    assert list(temporary.iterdir()) == []


def test_a_program_reads_the_same_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line and nothing else; the click tells its target."""
    events = [json.loads(line) for line in play(capsys, as_json=True).splitlines()]
    assert [one["name"] for one in events] == KINDS
    assert [one["number"] for one in events] == [1, 2, 3, 4]
    assert events[-1]["data"]["url"] == demo.TARGET


def test_a_named_folder_is_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, temporary: Path
) -> None:
    """With --data it can be served and looked at afterwards; not played in twice."""
    data = tmp_path / "data"
    assert demo.run(once=True, data=data, as_json=True) == 0
    assert DataFolder(data).database.exists()
    assert not DataFolder(data).addresses.exists()
    capsys.readouterr()
    with pytest.raises(FolderError, match="in use already"):
        demo.run(once=True, data=data, as_json=True)
    assert capsys.readouterr().out == ""
    assert list(temporary.iterdir()) == []


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    """Somebody's account is not played with."""
    folder = DataFolder(tmp_path / "data")
    trio.run(initialise, folder, 1)
    before = folder.settings.read_bytes(), folder.secret.read_bytes()
    with pytest.raises(FolderError, match="in use already"):
        demo.run(once=True, data=folder.root, as_json=False)
    assert (folder.settings.read_bytes(), folder.secret.read_bytes()) == before


def test_a_timeline_without_an_end_is_a_failure(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    temporary: Path,
) -> None:
    """Said on standard error, and in the exit status."""
    monkeypatch.setattr(demo, "PATIENCE_SECONDS", 0.0)
    assert demo.run(once=True, data=None, as_json=True) == 1
    assert "did not end" in capsys.readouterr().err
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stays_until_it_is_told_to_go(
    tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    """Ctrl-C, a kill, the end of the terminal: status 0, and nothing is left."""
    out = tmp_path / "out"
    with out.open("wb") as stream:
        process = subprocess.Popen(
            [*program_words(), "demo"], stdout=stream, stderr=stream, cwd=ROOT
        )
    try:
        wait_until(lambda: "Ctrl-C ends it" in out.read_text(), 20, "the timeline")
        assert len(list(temporary.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in out.read_text()
    assert list(temporary.iterdir()) == []


def test_who_looks_away_ends_it(temporary: Path) -> None:
    """`postroom demo --once | head -1`: no traceback."""
    with subprocess.Popen(
        [*program_words(), "demo", "--once"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode != 0
    assert list(temporary.iterdir()) == []
