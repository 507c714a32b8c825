"""`postroom agent`, as a process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import main
from tests.fakes.endpoint import KEY, endpoint
from tests.fakes.maillog import Mail, append, uuid_of
from tests.fakes.programs import wait_until


def options(folder: Path, url: str) -> Path:
    """The options' file of an agent there."""
    file = folder / "config.yaml"
    file.write_text(
        f"api-key: {KEY}\nendpoint: {url}\nlog-path: {folder}/mail.log\n"
        f"state-path: {folder}/state\nhealth: 127.0.0.1:0\n"
    )
    return file


def test_one_pass_reports_what_the_log_says(tmp_path: Path) -> None:
    """And says how much it was."""
    append(tmp_path / "mail.log", Mail(1).whole())
    with endpoint() as server:
        file = options(tmp_path, server.url)
        words = ["agent", "--config", str(file), "--once", "--json"]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0
        told = json.loads(result.stdout)
        assert told == {"lines_read": 6, "events_sent": 1, "events_rejected": 0}
        assert server.told == [(str(uuid_of(1)), "delivered")]


def test_it_runs_until_sigterm(tmp_path: Path) -> None:
    """The key is in no list of processes; the end is orderly."""
    append(tmp_path / "mail.log", *(Mail(number).whole() for number in range(100)))
    with endpoint() as server:
        file = options(tmp_path, server.url)
        words = [sys.executable, "-m", "appliance", "agent", "--config", str(file)]
        with subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE) as process:
            wait_until(lambda: len(server.events) == 100, 15, "the events")
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            assert KEY.encode() not in line
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=15)
        assert process.returncode == 0
        assert json.loads(output)["health"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("text", "named"),
    [("mta: exim", "mta"), ("log-path: /nowhere/mail.log", "api-key")],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, named: str) -> None:
    """With exit status 1."""
    file = tmp_path / "config.yaml"
    file.write_text(f"{text}\nstate-path: {tmp_path}/state\n")
    result = CliRunner().invoke(main, ["agent", "--config", str(file), "--once"])
    assert result.exit_code == 1
    assert named in result.stderr


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    """Two would report everything twice."""
    append(tmp_path / "mail.log", Mail(1).whole())
    with endpoint() as server:
        file = options(tmp_path, server.url)
        from appliance.agent.keeper import Keeper

        keeper = Keeper(tmp_path / "state", "x")
        result = CliRunner().invoke(main, ["agent", "--config", str(file), "--once"])
        keeper.close()
    assert result.exit_code == 1
    assert "another agent" in result.stderr
