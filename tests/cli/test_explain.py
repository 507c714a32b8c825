"""`postroom explain`."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from appliance.cli.explain import _end

from .conftest import Postroom


@pytest.fixture
def message(sender: Postroom) -> str:
    """The id of a mail that waits."""
    mail = ("--from", "a@example.com", "--to", "b@example.net", "--subject", "Hello")
    assert sender("send", *mail, "--text", "x").exit_code == 0
    event = sender("events", "list", "--json").stdout.splitlines()[0]
    return str(json.loads(event)["message"])


def test_scripts_get_the_story_as_the_api_tells_it(
    sender: Postroom, message: str
) -> None:
    """One object on one line."""
    told = json.loads(sender("explain", message, "--json").stdout)
    assert told["message"]["sentBy"] == "the operator"
    (one,) = told["deliveries"]
    assert (one["state"], one["pool"]) == ("queued", "sandbox")
    assert one["next"]["what"] == "it is tried"


def test_people_get_it_in_order(sender: Postroom, message: str) -> None:
    """Head, where it stands, what comes next, and what was."""
    lines = sender("explain", message).stdout.splitlines()
    assert lines[0].startswith(f"Message  {message}, ")
    assert "from the operator" in lines[1]
    assert lines[4] == "Subject  Hello"
    told = "\n".join(lines)
    assert "To b@example.net (to): queued, 0 tries" in told
    assert "Next   it is tried at " in told
    assert "Way    pool sandbox, no provider drawn" in told
    assert lines[-1].split()[1:4] == ["event", "1", "processed"]


def test_what_is_not_known_is_said(ready: Postroom) -> None:
    """Status 1 for no such message, 2 for what is no id."""
    unknown = ready("explain", str(UUID(int=7)))
    assert unknown.exit_code == 1
    assert "nothing is known of" in unknown.stderr
    assert ready("explain", "x").exit_code == 2


def test_people_see_what_the_upstream_still_tries(
    sender: Postroom, message: str, data: Path
) -> None:
    """Since when, how often, why; its words are shown as harmless text."""
    with closing(sqlite3.connect(data / "postroom.db")) as db, db:
        row = (1, 10**18, 2 * 10**18, 3, 451, "4.2.1", "busy \x1b[2J", "mx.example")
        db.execute("INSERT INTO deferral VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    told = sender("explain", message).stdout
    assert "Put off  by the upstream 3 times since 2001-09-09T01:46:40.000Z" in told
    assert ": 451 4.2.1 busy" in told
    assert "(mx.example)" in told
    assert "\x1b" not in told


def test_people_see_the_end_and_where_it_was_learnt() -> None:
    """In words, as far as it is known."""
    end = {"what": "hard_bounced", "at": "noon", "reason": "", "learntFrom": ""}
    assert _end(end) == "hard bounced at noon"
    end |= {"reason": "user_unknown", "learntFrom": "the upstream's log"}
    assert _end(end) == (
        "hard bounced (user unknown) at noon, learnt from the upstream's log"
    )
