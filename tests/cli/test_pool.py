"""`postroom pool`."""

import json

import pytest

from .conftest import Postroom


def listed(ready: Postroom) -> dict[str, dict[str, object]]:
    """All pools by name."""
    lines = ready("pool", "list", "--json").stdout.splitlines()
    return {one["name"]: one for one in map(json.loads, lines)}


def add_provider(ready: Postroom, name: str) -> None:
    """A provider that is never talked to."""
    words = ("--host", "127.0.0.1", "--port", "1", "--no-test")
    assert ready("provider", "add", name, *words).exit_code == 0


def test_a_fresh_folder_has_the_sandbox(ready: Postroom) -> None:
    """Nothing leaves the house before the operator says where to."""
    assert set(listed(ready)) == {"sandbox"}
    assert listed(ready)["sandbox"]["default"] is True
    assert listed(ready)["sandbox"]["providers"] == {"capture": 100}


def test_a_pool_shares_among_providers(ready: Postroom) -> None:
    """The shares are as typed; the default moves when asked to."""
    add_provider(ready, "a")
    add_provider(ready, "b")
    assert ready("pool", "add", "main", "a=70", "b=30").exit_code == 0
    assert listed(ready)["main"]["providers"] == {"a": 70, "b": 30}
    assert listed(ready)["main"]["default"] is False
    facts = json.loads(ready("pool", "add", "x", "a=100", "--default", "--json").stdout)
    assert facts["default"] is True
    assert listed(ready)["x"]["default"] is True
    assert listed(ready)["sandbox"]["default"] is False
    assert "a 70 %, b 30 %" in ready("pool", "list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["capture=70", "capture=20"], "add up to 90, not 100"),
        (["capture"], "is not written as in"),
        (["=100"], "is not written as in"),
        (["capture=x"], "is not written as in"),
        (["capture=0", "a=100"], "at least 1"),
        (["capture=99999999999999999999"], "not 100"),
        ([], "Missing argument"),
    ],
)
def test_wrong_shares_are_wrong_usage(
    ready: Postroom, words: list[str], said: str
) -> None:
    """Nothing is added that could not share."""
    result = ready("pool", "add", "main", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert set(listed(ready)) == {"sandbox"}


def test_unknown_and_doubled_names_are_refused(ready: Postroom) -> None:
    """The refusal says what there is."""
    result = ready("pool", "add", "main", "nobody=100")
    assert result.exit_code == 1
    assert "there is no provider nobody" in result.stderr
    assert "capture" in result.stderr
    result = ready("pool", "add", "sandbox", "capture=100")
    assert result.exit_code == 1
    assert "sandbox" in result.stderr


def test_the_default_pool_stays(ready: Postroom) -> None:
    """There is always somewhere for mail to go."""
    result = ready("pool", "remove", "sandbox")
    assert result.exit_code == 1
    assert "--default" in result.stderr
    assert set(listed(ready)) == {"sandbox"}


def test_a_pool_without_mail_can_go(ready: Postroom) -> None:
    """And is gone then."""
    ready("pool", "add", "main", "capture=100")
    assert (
        json.loads(ready("pool", "remove", "main", "--json").stdout)["removed"] is True
    )
    assert "there is no pool main" in ready("pool", "remove", "main").stderr


def test_a_pool_in_which_mail_waits_stays(sender: Postroom) -> None:
    """Mail never loses its way."""
    sender("pool", "add", "main", "capture=100")
    mail = ("--from", "a@example.com", "--to", "b@example.net", "--subject", "x")
    assert sender("send", *mail, "--text", "x", "--pool", "main").exit_code == 0
    result = sender("pool", "remove", "main")
    assert result.exit_code == 1
    assert "1 deliveries of main are not finished" in result.stderr


def test_a_known_pool_becomes_the_default(ready: Postroom) -> None:
    """With the shares that it has, in any order; with others it is another pool."""
    add_provider(ready, "b b")
    assert ready("pool", "add", "main", "capture=70", "b b=30").exit_code == 0
    refused = ready("pool", "add", "main", "capture=100", "--default")
    assert refused.exit_code == 1
    cure = "postroom pool add main capture=70 'b b=30' --default"
    assert cure in refused.stderr
    assert listed(ready)["sandbox"]["default"] is True
    again = ready("pool", "add", "main", "b b=30", "capture=70", "--default")
    assert again.exit_code == 0, again.stderr
    assert listed(ready)["main"]["default"] is True
    assert listed(ready)["sandbox"]["default"] is False
    assert listed(ready)["main"]["providers"] == {"capture": 70, "b b": 30}
    assert ready("pool", "remove", "sandbox").exit_code == 0
    assert ready("pool", "add", "main", "b b=30", "capture=70").exit_code == 1


def test_providers_take_turns(ready: Postroom) -> None:
    """No percentages are needed for a round robin."""
    add_provider(ready, "a")
    add_provider(ready, "b")
    result = ready("pool", "add", "main", "a", "b", "--routing", "round-robin")
    assert result.exit_code == 0, result.stderr
    assert listed(ready)["main"]["routing"] == "round-robin"
    assert listed(ready)["main"]["members"] == ["a", "b"]
    assert "a, b in turn" in ready("pool", "list").stdout


def test_routes_by_class_and_by_sender(ready: Postroom) -> None:
    """Each key has its providers; the pool's members are all that are named."""
    add_provider(ready, "a")
    add_provider(ready, "b")
    routes = ("--route", "gmail=a,b", "--route", "others=capture")
    by_class = ("--routing", "recipient-class", *routes)
    assert ready("pool", "add", "main", *by_class).exit_code == 0
    facts = listed(ready)["main"]
    assert facts["routes"] == {"gmail": ["a", "b"], "others": ["capture"]}
    assert facts["members"] == ["a", "b", "capture"]
    assert "gmail: a, b; others: capture" in ready("pool", "list").stdout
    by_sender = ("--routing", "sender-domain", "--route", "shop.example=a")
    assert ready("pool", "set", "main", *by_sender).exit_code == 0
    assert listed(ready)["main"]["routes"] == {"shop.example": ["a"]}
    assert listed(ready)["main"]["members"] == ["a", "b", "capture"]


def test_a_change_leaves_what_it_does_not_name(ready: Postroom) -> None:
    """One option is one change."""
    add_provider(ready, "a")
    ready("pool", "add", "spare", "capture=100")
    ready("pool", "add", "main", "a=60", "capture=40")
    result = ready("pool", "set", "main", "--overflow-pool", "spare", "--json")
    facts = json.loads(result.stdout)
    assert (facts["overflow"], facts["overflowPool"]) == (True, "spare")
    assert facts["providers"] == {"a": 60, "capture": 40}
    assert ready("pool", "set", "main", "a=100", "--name", "first").exit_code == 0
    facts = listed(ready)["first"]
    assert (facts["overflowPool"], facts["providers"]) == ("spare", {"a": 100})
    refused = ready("pool", "remove", "spare")
    assert "first overflows to spare" in refused.stderr
    assert ready("pool", "set", "first", "--no-overflow").exit_code == 0
    assert listed(ready)["first"]["overflow"] is False
    assert listed(ready)["first"]["overflowPool"] is None
    assert ready("pool", "remove", "spare").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a=100", "--routing", "round-robin"], "percentages are for"),
        (["a=100", "--route", "gmail=a"], "routes are for"),
        (
            ["a", "--routing", "recipient-class", "--route", "gmail"],
            "not written as in",
        ),
        (["--routing", "shares", "--overflow"], "Missing argument"),
        (["a=100", "--no-overflow", "--overflow-pool", "x"], "of use only with"),
    ],
)
def test_words_that_do_not_fit_are_wrong_usage(
    ready: Postroom, words: list[str], said: str
) -> None:
    """What could not be meant is not guessed at."""
    result = ready("pool", "add", "main", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_what_the_store_refuses_is_told(ready: Postroom) -> None:
    """A class that is none, and a pool that would flow into itself."""
    routes = ("--routing", "recipient-class", "--route", "gmial=capture")
    assert (
        "there is no recipient class gmial"
        in ready("pool", "add", "main", *routes).stderr
    )
    result = ready("pool", "set", "sandbox", "--overflow-pool", "sandbox")
    assert result.exit_code == 1
    assert "cannot overflow to itself" in result.stderr
