"""`postroom explain`."""

import json
from uuid import UUID

import pytest

from .conftest import Postroom


@pytest.fixture
def message(ready: Postroom) -> str:
    """The id of a mail that waits."""
    ready("domain", "add", "example.com")
    ready("domain", "trust", "example.com")
    mail = ("--from", "a@example.com", "--to", "b@example.net", "--subject", "Hello")
    assert ready("send", *mail, "--text", "x").exit_code == 0
    event = ready("events", "list", "--json").stdout.splitlines()[0]
    return str(json.loads(event)["message"])


def test_scripts_get_the_story_as_the_api_tells_it(
    ready: Postroom, message: str
) -> None:
    """One object on one line."""
    told = json.loads(ready("explain", message, "--json").stdout)
    assert told["message"]["sentBy"] == "the operator"
    (one,) = told["deliveries"]
    assert (one["state"], one["pool"]) == ("queued", "sandbox")
    assert one["next"]["what"] == "it is tried"


def test_people_get_it_in_order(ready: Postroom, message: str) -> None:
    """Head, where it stands, what comes next, and what was."""
    lines = ready("explain", message).stdout.splitlines()
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
