"""`postroom serve` and the commands beside it, as real processes."""

import errno
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import serve as server
from appliance.cli import main
from tests.fakes.postroom import ROOT, Postroom, program_words
from tests.fakes.programs import wait_until

MAIL = ("--from", "a@example.com", "--subject", "x", "--text", "x")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Postroom]:
    """A data folder with a domain that may send."""
    house = Postroom(tmp_path)
    house.init()
    house.run("domain", "add", "example.com")
    house.run("domain", "trust", "example.com")
    yield house
    house.close()
    assert not house.troubles()


def test_commands_work_beside_the_server(house: Postroom) -> None:
    """Mail handed in by a command leaves, is told by the websocket, and once only."""
    house.run("send", *MAIL, "--to", "b@example.net")
    house.start()
    status = house.ask("status")
    assert status["running"] is True
    assert status["addresses"] == house.addresses()
    tail = house.spawn("events", "tail", "--after", "0", "--json")
    house.run("send", *MAIL, "--to", "c@example.net")

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
    assert house.ask("status")["running"] is False
    assert not house.addresses_file.exists()


def test_a_data_folder_has_one_server(house: Postroom) -> None:
    """The second is refused by the name of the lock; the first goes on."""
    house.start()
    second = house.attempt("serve", "--set", "http.bind=127.0.0.1:0", "--json")
    assert second.status == 1
    assert (
        str(house.data / "run" / "lock") in json.loads(second.err)["error"]["message"]
    )
    assert house.ask("status")["running"] is True


def test_a_port_that_is_taken_is_named(house: Postroom) -> None:
    """A refusal in one sentence, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        done = house.attempt("serve", "--set", f"http.bind={bind}")
    assert done.status == 1
    assert bind in done.err
    assert "http.bind" in done.err
    assert "smtp.submission" in done.err


def test_a_certificate_that_is_missing_is_named(house: Postroom) -> None:
    """With the settings that say which; in words."""
    done = house.attempt("serve", "--set", "smtp.certificate=/nosuch/cert.pem")
    assert done.status == 1
    assert "/nosuch/cert.pem: No such file" in done.err
    assert "smtp.key" in done.err


@pytest.mark.parametrize("words", [("serve",), ("serve", "--set", "a.b=c")])
def test_a_server_without_data_or_with_wrong_settings_does_not_start(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Both are said as errors, and nothing is made."""
    house = Postroom(tmp_path)
    done = house.attempt(*words)
    assert done.status == 1
    assert done.err.startswith("Error: ")
    assert not house.data.exists()


def test_wrong_usage_of_a_real_process_is_status_2(tmp_path: Path) -> None:
    """The shell sees what CliRunner sees."""
    assert Postroom(tmp_path).attempt("serve", "--nosuch").status == 2


def test_a_closed_pipe_is_no_trouble(house: Postroom) -> None:
    """`postroom events list | head` ends quietly."""
    house.run(
        "send", *MAIL, *[word for n in range(9) for word in ("--to", f"b{n}@c.de")]
    )
    words = [*program_words(), "events", "list", "--data", str(house.data)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert b"Traceback" not in listing.stderr.read()


def test_a_bug_of_the_server_is_not_taken_for_full_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is to be seen: it leaves the command with its cause."""
    Postroom(tmp_path).init()

    def fail(*_: object) -> int:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(server, "serve", fail)
    data = str(Postroom(tmp_path).data)
    result = CliRunner().invoke(main, ["serve", "--data", data])
    assert isinstance(result.exception, RuntimeError)
    assert isinstance(result.exception.__cause__, OSError)
