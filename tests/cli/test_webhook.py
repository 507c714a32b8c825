"""`postroom webhook`: who is told of events over HTTP."""

import json
from pathlib import Path

import pytest
import trio

from appliance.core.event import EventType, NewEvent, about_provider
from appliance.flow.setup import DataFolder, open_data
from appliance.store.transaction import Tx

from .conftest import Postroom

URL = "https://hooks.example.com/mail"


def listed(postroom: Postroom) -> list[dict[str, object]]:
    """The endpoints, as scripts see them."""
    shown = postroom("webhook", "list", "--json")
    assert shown.exit_code == 0, shown.output
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_an_endpoint_is_added_changed_and_removed(ready: Postroom) -> None:
    """The secret is shown once, and never in a list."""
    added = ready("webhook", "add", URL, "--dialect", "anypost", "--json")
    assert added.exit_code == 0, added.output
    made = json.loads(added.stdout)
    assert made["secret"].startswith("whsec_")
    assert "email.delivered" in made["events"]
    assert made["secret"] not in ready("webhook", "list", "--json").stdout
    changed = ready("webhook", "set", "1", "--event", "email.bounced", "--disable")
    assert changed.exit_code == 0, changed.output
    (one,) = listed(ready)
    assert (one["events"], one["state"]) == (["email.bounced"], "paused")
    assert "paused" in ready("webhook", "list").stdout
    assert ready("webhook", "remove", "1").exit_code == 0
    assert listed(ready) == []


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("add", "http://hooks.example.com/"), 1, "https://"),
        (("add", "https://127.0.0.1/"), 1, "loopback"),
        (("add", URL, "--event", "email.delivered"), 2, "is none of"),
        (("add", URL, "--form", "v9"), 2, "is none of"),
        (("set", "7", "--enable"), 1, "there is no webhook 7"),
        (("remove", "7"), 1, "there is no webhook 7"),
        (("log", "7"), 1, "there is no webhook 7"),
        (("rotate", "7"), 1, "there is no webhook 7"),
        (("replay", "7", "x"), 2, "7 or 7-99"),
        (("replay", "7", "9-8"), 2, "names no number"),
    ],
)
def test_what_cannot_be_is_said(
    ready: Postroom, words: tuple[str, ...], status: int, said: str
) -> None:
    """Status 1 for what is refused, 2 for what is typed wrong."""
    result = ready("webhook", *words)
    assert result.exit_code == status, result.output
    assert said in result.stderr


def test_a_url_is_added_once(ready: Postroom) -> None:
    """For one dialect; another may have it too."""
    assert ready("webhook", "add", URL).exit_code == 0
    again = ready("webhook", "add", URL)
    assert again.exit_code == 1
    assert "already" in again.stderr
    assert ready("webhook", "add", URL, "--dialect", "postscale").exit_code == 0


def test_a_secret_is_replaced(ready: Postroom) -> None:
    """The new one is shown once."""
    first = json.loads(ready("webhook", "add", URL, "--json").stdout)["secret"]
    second = json.loads(ready("webhook", "rotate", "1", "--json").stdout)
    assert second["secret"] != first
    assert second["graceHours"] == 24


def test_a_test_that_is_not_taken_is_a_failure(ready: Postroom) -> None:
    """It is posted from here; a name that leads nowhere says so."""
    ready("webhook", "add", "https://nowhere.invalid/")
    result = ready("webhook", "test", "1", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["delivered"] is False
    assert "the test was not taken" in result.stderr
    assert ready("webhook", "log", "1").stderr == "Nothing.\n"


def test_a_replay_is_left_to_the_server(ready: Postroom, data: Path) -> None:
    """Without one it waits; numbers that there are not yet are refused."""
    ready("webhook", "add", URL)
    early = ready("webhook", "replay", "1", "1-9")
    assert early.exit_code == 1
    assert "the last event is number 0" in early.stderr
    trio.run(_tell, data)
    told = ready("webhook", "replay", "1", "1", "--json")
    assert json.loads(told.stdout) == {"id": 1, "after": 0, "upto": 1, "done": False}
    assert "will be told again" in ready("webhook", "replay", "1", "1").stdout


async def _tell(data: Path) -> None:
    async with open_data(DataFolder(data)) as store:
        await store.write(_emit)


def _emit(tx: Tx) -> None:
    tx.emit(NewEvent(EventType.PROVIDER_UP, 1, about_provider("x"), {}))
