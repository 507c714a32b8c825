"""`postroom events`."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Postroom


@pytest.fixture
def busy(sender: Postroom) -> Postroom:
    """A folder with the events 1 to 3, each of another message."""
    mail = ("--from", "a@example.com", "--subject", "x", "--text", "x")
    to = ("--to", "b@example.net", "--to", "c@example.net", "--to", "d@example.net")
    assert sender("send", *mail, *to).exit_code == 0
    return sender


def numbers(busy: Postroom, *words: str) -> list[int]:
    """The numbers of the events that are listed."""
    out = busy("events", "list", "--json", *words).stdout
    return [json.loads(one)["number"] for one in out.splitlines()]


def test_events_come_in_order_behind_a_number(busy: Postroom) -> None:
    """`after` and `limit` page through them."""
    assert numbers(busy) == [1, 2, 3]
    assert numbers(busy, "--after", "1") == [2, 3]
    assert numbers(busy, "--after", "1", "--limit", "1") == [2]
    assert numbers(busy, "--after", "3") == []


def test_a_list_that_stops_early_says_so(busy: Postroom) -> None:
    """On standard error, so that a script's lines stay lines of events."""
    result = busy("events", "list", "--limit", "2", "--json")
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "More: --after 2\n"
    assert not busy("events", "list", "--limit", "3").stderr
    assert not busy("events", "list", "--limit", "1", "--after", "2").stderr


def test_events_are_chosen_by_type_and_message(busy: Postroom) -> None:
    """Types by name or number, messages by id."""
    assert numbers(busy, "--type", "processed") == [1, 2, 3]
    assert numbers(busy, "--type", "58", "--type", "sent") == [1, 2, 3]
    assert numbers(busy, "--type", "sent") == []
    second = busy("events", "list", "--json", "--after", "1", "--limit", "1").stdout
    assert numbers(busy, "--message", json.loads(second)["message"]) == [2]


def test_people_get_one_line_each(busy: Postroom) -> None:
    """Number, moment, name, and who wrote to whom."""
    first = busy("events", "list").stdout.splitlines()[0].split()
    assert first[0] == "1"
    assert first[1].endswith("Z")
    assert first[2:] == ["processed", "a@example.com", "->", "b@example.net"]


@pytest.mark.parametrize(
    "words",
    [("--type", "nosuch"), ("--message", "x"), ("--after", "-1"), ("--limit", "0")],
)
def test_wrong_filters_are_wrong_usage(busy: Postroom, words: tuple[str, str]) -> None:
    """What could match nothing is said, not searched."""
    assert busy("events", "list", *words).exit_code == 2


def test_tail_ends_with_the_number_to_resume_from(busy: Postroom, data: Path) -> None:
    """Ctrl-C is the usual end: status 0, events out, the number on standard error."""
    words = [
        sys.executable,
        "-m",
        "appliance",
        "events",
        "tail",
        "--after",
        "1",
        "--json",
    ]
    tail = subprocess.Popen(
        [*words, "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert tail.stdout is not None
    shown = [json.loads(tail.stdout.readline())["number"] for _ in range(2)]
    tail.send_signal(signal.SIGINT)
    _, said = tail.communicate(timeout=20)
    assert shown == [2, 3]
    assert tail.returncode == 0
    assert said.strip() == "Resume with: postroom events tail --after 3"
    assert numbers(busy) == [1, 2, 3]


def test_events_are_chosen_by_what_they_are_about(busy: Postroom) -> None:
    """By recipient, pool and the rest; an empty result is none."""
    assert numbers(busy, "--recipient", "C@example.net") == [2]
    assert numbers(busy, "--pool", "sandbox", "--recipient", "d@example.net") == [3]
    assert numbers(busy, "--tag", "x") == []


def test_a_whole_log_is_verified(busy: Postroom) -> None:
    """With the last number and hash, which may be noted elsewhere."""
    result = busy("events", "verify")
    assert result.exit_code == 0, result.stderr
    assert "3 events checked, up to number 3" in result.stdout
    facts = json.loads(busy("events", "verify", "--json").stdout)
    assert (facts["whole"], facts["checked"], facts["last"]) == (True, 3, 3)
    assert facts["hash"] in result.stdout


def test_a_log_that_was_tampered_with_is_not(busy: Postroom, data: Path) -> None:
    """Said on standard output and by the exit status, also to scripts."""
    db = sqlite3.connect(data / "postroom.db")
    db.execute("UPDATE event SET recipient = 'eve@example.net' WHERE number = 2")
    db.commit()
    db.close()
    result = busy("events", "verify")
    assert result.exit_code == 1
    assert "changed: 2" in result.stdout.splitlines()
    result = busy("events", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["shown"] == [
        {"kind": "changed", "first": 2, "last": 2}
    ]
