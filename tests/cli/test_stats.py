"""`postroom stats`."""

import json
import sqlite3
from pathlib import Path

import pytest

from .conftest import Postroom


@pytest.fixture
def mailed(sender: Postroom) -> Postroom:
    """A folder in which two mails were taken; no server has ever run on it."""
    words = ("--from", "shop@example.com", "--subject", "Hello", "--text", "Hello")
    for name in ("a", "b"):
        sent = sender("send", *words, "--to", f"{name}@gmail.com")
        assert sent.exit_code == 0, sent.stderr
    return sender


def rows(mailed: Postroom, *words: str) -> list[dict[str, object]]:
    """What is counted, as a script reads it."""
    result = mailed("stats", *words, "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(one) for one in result.stdout.splitlines()]


def test_a_week_is_counted_by_days(mailed: Postroom) -> None:
    """What is new is counted first, though no server runs; empty days are shown."""
    days = rows(mailed)
    assert len(days) == 7
    assert [one["processed"] for one in days] == [0, 0, 0, 0, 0, 0, 2]
    assert set(days[0]) == {
        *("day", "processed", "sent", "dropped", "smtpDropped", "delivered"),
        *("softBounced", "hardBounced", "opened", "clicked", "unsubscribed"),
        *("complained", "uniqueOpened", "uniqueClicked", "throttled"),
    }
    assert "PROCESSED" in mailed("stats").stdout


@pytest.mark.parametrize(
    ("by", "named"),
    [
        ("total", {}),
        ("sub-account", {"subAccount": 1}),
        ("pool", {"pool": "sandbox"}),
        ("domain", {"domain": "example.com"}),
        ("class", {"class": "gmail"}),
    ],
)
def test_mail_is_told_apart(
    mailed: Postroom, by: str, named: dict[str, object]
) -> None:
    """By what it says of itself."""
    (row,) = rows(mailed, "--by", by)
    assert row["processed"] == 2
    assert {key: row[key] for key in named} == named
    assert rows(mailed, "--by", by, "--sub-account", "1") == [row]
    assert rows(mailed, "--by", "tag") == []


def test_one_key_is_followed(mailed: Postroom) -> None:
    """Over the days, or the hours."""
    (hour,) = rows(mailed, "--by", "hour", "--only", "domain=example.com")
    assert hour["processed"] == 2
    (nothing,) = rows(mailed, "--by", "total", "--only", "domain=other.example")
    assert nothing["processed"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "x"], "is no day"),
        (["--from", "2026-02-01", "--to", "2026-01-01"], "behind --from"),
        (["--only", "tag"], "is not written as in: tag=welcome"),
        (["--only", "tag=x", "--by", "tag"], "--only goes with"),
        (["--by", "weather"], "is not one of"),
    ],
)
def test_wrong_usage_is_said(ready: Postroom, words: list[str], said: str) -> None:
    """With status 2."""
    result = ready("stats", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_recount_finds_what_was_changed(mailed: Postroom, data: Path) -> None:
    """Status 0 while all is right, 1 with the differences if it is not."""
    result = mailed("stats", "verify", "--json")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert (facts["ok"], facts["events"], facts["wrong"]) == (True, 2, 0)
    with sqlite3.connect(data / "postroom.db") as db:
        db.execute("UPDATE stat SET processed = 9 WHERE kind = 0")
    result = mailed("stats", "verify")
    assert result.exit_code == 1
    assert "processed is 9, logged 2" in result.stdout
