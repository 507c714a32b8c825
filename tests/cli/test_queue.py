"""`postroom queue`."""

import json
import time
from pathlib import Path

import pytest

from appliance.cli.queue_words import Progress
from appliance.core.delivery import State
from appliance.core.queue import Act, Tally
from appliance.flow.setup import DataFolder, open_data
from appliance.store.transaction import Tx

from .conftest import Postroom

ACTS = ("hold", "release", "retry", "drop", "move")


@pytest.fixture
def busy(sender: Postroom) -> Postroom:
    """A folder in which the deliveries 1 to 3 wait, each of another message."""
    mail = ("--from", "a@example.com", "--subject", "x", "--text", "x")
    to = ("--to", "b@example.net", "--to", "c@example.net", "--to", "d@example.org")
    assert sender("send", *mail, *to).exit_code == 0
    return sender


def listed(busy: Postroom, *words: str) -> dict[int, str]:
    """The numbers that are listed, with their states."""
    out = busy("queue", "list", "--json", *words).stdout
    told = map(json.loads, out.splitlines())
    return {one["number"]: one["state"] for one in told}


def done(busy: Postroom, *words: str) -> dict[str, object]:
    """What an act says that it did."""
    result = busy("queue", *words, "--json")
    assert result.exit_code == 0, result.stderr
    told: dict[str, object] = json.loads(result.stdout)
    return told


async def put(data: Path, number: int, state: State, text: str) -> None:
    """Bring a delivery where the relay would."""

    def change(tx: Tx) -> None:
        tx.db.execute(
            "UPDATE delivery SET state = ?, due_ns = ?, last_text = ? WHERE id = ?",
            (int(state), 1 if state is State.QUEUED else None, text, number),
        )

    async with open_data(DataFolder(data)) as store:
        await store.write(change)


def bring(data: Path, number: int, state: State, text: str = "") -> None:
    """The same from outside of trio."""
    import trio

    trio.run(put, data, number, state, text)


def test_the_queue_is_listed_in_pages(busy: Postroom) -> None:
    """A list that stops early says so on standard error."""
    assert list(listed(busy)) == [1, 2, 3]
    assert list(listed(busy, "--after", "1", "--limit", "1")) == [2]
    assert busy("queue", "list", "--limit", "2").stderr == "More: --after 2\n"
    assert not busy("queue", "list", "--limit", "3").stderr


def test_people_get_a_line_each(busy: Postroom, data: Path) -> None:
    """With the reason; hostile text does not steer the terminal."""
    bring(data, 2, State.QUEUED, "451 \x1b[2J later")
    heading, first, second, _ = busy("queue", "list").stdout.splitlines()
    assert heading.split()[:3] == ["NUMBER", "DELIVERY", "STATE"]
    words = first.split()
    assert words[0] == "1"
    assert words[2] == "queued"
    assert words[5:] == ["b@example.net", "sandbox/-", "-"]
    assert second.endswith(r"451 \x1b[2J later")


def test_an_empty_queue_is_said_to_be(ready: Postroom) -> None:
    """On standard error: the list itself is empty."""
    result = ready("queue", "list")
    assert (result.stdout, result.stderr) == ("", "Nothing waits.\n")
    assert json.loads(ready("queue", "count", "--json").stdout) == {
        "by": "state",
        "total": 0,
        "counts": {},
    }


def test_the_queue_is_counted(busy: Postroom) -> None:
    """By what is asked for, with the sum of all below."""
    told = json.loads(busy("queue", "count", "--by", "domain", "--json").stdout)
    assert told["counts"] == {"example.net": 2, "example.org": 1}
    shown = busy("queue", "count", "--by", "provider").stdout.splitlines()
    assert [one.split() for one in shown] == [
        ["PROVIDER", "DELIVERIES"],
        ["-", "3"],
        ["all", "3"],
    ]


def test_filters_are_options(busy: Postroom, data: Path) -> None:
    """Each narrows, all of them together."""
    bring(data, 2, State.QUEUED, "4.7.1 Greylisted")
    first = json.loads(busy("queue", "list", "--json").stdout.splitlines()[0])
    for words, numbers in (
        (("--state", "queued,held"), [1, 2, 3]),
        (("--state", "held"), []),
        (("--provider", "-"), [1, 2, 3]),
        (("--provider", "capture"), []),
        (("--pool", "sandbox"), [1, 2, 3]),
        (("--domain", "example.org"), [3]),
        (("--sender-domain", "example.com"), [1, 2, 3]),
        (("--reason", "greylisted"), [2]),
        (("--message", first["message"]), [1]),
        (("--delivery", first["delivery"]), [1]),
        (("--older-than", "1h"), []),
        (("--sub-account", "1", "--domain", "example.net"), [1, 2]),
    ):
        assert list(listed(busy, *words)) == numbers, words


@pytest.mark.parametrize(
    "words",
    [
        ("--state", "sent"),
        ("--message", "x"),
        ("--older-than", "soon"),
        ("--domain", ""),
        ("--pool", ""),
        ("--sub-account", "x"),
    ],
)
def test_wrong_filters_are_wrong_usage(ready: Postroom, words: tuple[str, str]) -> None:
    """Said before anything is opened, with the option's name."""
    for command in ("list", "count", "drop"):
        result = ready("queue", command, *words)
        assert result.exit_code == 2
        assert words[0] in result.stderr


def test_a_name_that_is_not_known_is_refused(busy: Postroom) -> None:
    """A typo must not look like an empty queue."""
    for words in (
        ("list", "--pool", "x"),
        ("count", "--provider", "x"),
        ("drop", "--pool", "x"),
        ("move", "--all", "--to-pool", "x"),
    ):
        result = busy("queue", *words)
        assert result.exit_code == 1
        assert "there is no" in result.stderr


@pytest.mark.parametrize("act", ACTS)
def test_nobody_means_all_by_saying_nothing(busy: Postroom, act: str) -> None:
    """Wrong usage without a filter, and with --all beside one."""
    to = ("--to-pool", "sandbox") if act == "move" else ()
    for words in ((), ("--all", "--domain", "example.net")):
        result = busy("queue", act, *to, *words)
        assert result.exit_code == 2
        assert "--all" in result.stderr
    assert set(listed(busy).values()) == {"queued"}


def test_mail_is_held_and_released(busy: Postroom) -> None:
    """Some by a filter, the rest by --all; a second time there is nothing to do."""
    held = {"act": "hold", "changed": 2, "inFlight": 0, "unchanged": 0}
    assert done(busy, "hold", "--domain", "example.net") == held
    assert listed(busy) == {1: "held", 2: "held", 3: "queued"}
    again = done(busy, "hold", "--all")
    assert (again["changed"], again["unchanged"]) == (1, 2)
    assert busy("queue", "release", "--all").stdout == "3 released.\n"
    assert set(listed(busy).values()) == {"queued"}


def test_what_is_in_flight_is_left(busy: Postroom, data: Path) -> None:
    """And said to be."""
    bring(data, 2, State.IN_FLIGHT)
    assert busy("queue", "drop", "--all").stdout.splitlines() == [
        "2 dropped.",
        "1 left alone: in flight.",
    ]
    assert listed(busy) == {2: "in_flight"}
    dropped = busy("events", "list", "--type", "dropped", "--json").stdout.splitlines()
    assert [json.loads(one)["data"]["reason"] for one in dropped] == [
        "Dropped by the operator"
    ] * 2


def test_mail_is_moved_to_a_pool(busy: Postroom) -> None:
    """Where the reason of the move is over."""
    assert busy("pool", "add", "spare", "capture=100").exit_code == 0
    assert done(busy, "move", "--all", "--to-pool", "spare")["changed"] == 3
    assert len(listed(busy, "--pool", "spare")) == 3
    shown = busy("queue", "move", "--pool", "spare", "--to-pool", "spare").stdout
    assert shown.splitlines() == [
        "0 moved.",
        "3 left as they are: nothing to do for them.",
    ]


def test_a_retry_is_due_now(busy: Postroom) -> None:
    """What is due keeps its place."""
    assert done(busy, "retry", "--all")["unchanged"] == 3


def test_long_ones_say_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, once a second and no more often."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(Act.HOLD)
    for second, changed in ((0.9, 500), (1.0, 1000), (1.5, 1500), (2.0, 2000)):
        now[0] = second
        progress(Tally(changed))
    assert capsys.readouterr().err.splitlines() == [
        "1000 held so far",
        "2000 held so far",
    ]
