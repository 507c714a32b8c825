"""`postroom serve` as a real process, and the commands beside it.

Commands that only answer run in this process, and so does a `serve` that is refused:
that saves a second each.
"""

import errno
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import serve as server
from appliance.cli import main
from tests.fakes.mould import Mould
from tests.fakes.postroom import ROOT, Postroom, program_words
from tests.fakes.programs import wait_until
from tests.fakes.this_process import as_it_was

MAIL = ("--from", "a@example.com", "--subject", "x", "--text", "x")


def ran(data: Path, *words: str) -> str:
    """What a command prints that has to work."""
    result = CliRunner().invoke(main, [*words, "--data", str(data)])
    assert result.exit_code == 0, result.output
    return result.stdout


def status_of(house: Postroom) -> Any:
    """What `status` says."""
    return json.loads(ran(house.data, "status", "--json"))


@pytest.fixture
def house(tmp_path: Path, furnished: Mould) -> Iterator[Postroom]:
    """A data folder with a domain that may send."""
    house = Postroom(tmp_path)
    furnished.cast(house.data)
    yield house
    house.close()
    assert not house.troubles()


def refused(data: Path, *words: str) -> str:
    """What `serve` says when it does not start."""
    with as_it_was():
        result = CliRunner().invoke(main, ["serve", "--data", str(data), *words])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_commands_work_beside_the_server(house: Postroom) -> None:
    """Mail handed in by a command leaves, is told by the websocket, and once only."""
    ran(house.data, "send", *MAIL, "--to", "b@example.net")
    house.start()
    status = status_of(house)
    assert status["running"] is True
    assert status["addresses"] == house.addresses()
    tail = house.spawn("events", "tail", "--after", "0", "--json")
    ran(house.data, "send", *MAIL, "--to", "c@example.net")

    def told() -> list[int]:
        lines = house.log().splitlines()
        return [
            json.loads(one)["number"] for one in lines if one.startswith('{"number"')
        ]

    wait_until(lambda: len(told()) >= 4, 20, "the events of both mails")
    tail.send_signal(signal.SIGINT)
    assert tail.wait(20) == 0
    assert told() == [1, 2, 3, 4]
    assert house.stop() == 0
    assert status_of(house)["running"] is False
    assert [one.name for one in (house.data / "run").iterdir()] == ["lock"]


def test_a_data_folder_has_one_server(house: Postroom) -> None:
    """The second is refused by the name of the lock; the first goes on."""
    house.start()
    said = refused(house.data, "--set", "http.bind=127.0.0.1:0", "--json")
    assert str(house.data / "run" / "lock") in json.loads(said)["error"]["message"]
    assert status_of(house)["running"] is True


def test_a_port_that_is_taken_is_named(furnished: Mould, tmp_path: Path) -> None:
    """A refusal in one sentence, not a traceback."""
    furnished.cast(data := tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(data, "--set", f"http.bind={bind}")
    assert bind in said
    assert "http.bind" in said
    assert "smtp.submission" in said


def test_a_certificate_that_is_missing_is_named(
    furnished: Mould, tmp_path: Path
) -> None:
    """With the settings that say which; in words."""
    furnished.cast(data := tmp_path / "data")
    said = refused(data, "--set", "smtp.certificate=/nosuch/cert.pem")
    assert "/nosuch/cert.pem: No such file" in said
    assert "smtp.key" in said


@pytest.mark.parametrize("words", [(), ("--set", "a.b=c")])
def test_a_server_without_data_or_with_wrong_settings_does_not_start(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Both are said as errors, and nothing is made."""
    data = tmp_path / "data"
    assert refused(data, *words).startswith("Error: ")
    assert not data.exists()


def test_wrong_usage_of_a_real_process_is_status_2(tmp_path: Path) -> None:
    """The shell sees what CliRunner sees."""
    assert Postroom(tmp_path).attempt("serve", "--nosuch").status == 2


def test_a_closed_pipe_is_no_trouble(house: Postroom) -> None:
    """`postroom events list | head` ends quietly."""
    to = [word for n in range(9) for word in ("--to", f"b{n}@c.de")]
    ran(house.data, "send", *MAIL, *to)
    words = [*program_words(), "events", "list", "--data", str(house.data)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert b"Traceback" not in listing.stderr.read()


def test_a_bug_of_the_server_is_not_taken_for_full_output(
    tmp_path: Path, furnished: Mould, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is to be seen: it leaves the command with its cause."""
    furnished.cast(Postroom(tmp_path).data)

    def fail(*_: object) -> int:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(server, "serve", fail)
    data = str(Postroom(tmp_path).data)
    with as_it_was():
        result = CliRunner().invoke(main, ["serve", "--data", data])
    assert isinstance(result.exception, RuntimeError)
    assert isinstance(result.exception.__cause__, OSError)
