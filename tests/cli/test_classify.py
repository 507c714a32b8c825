"""`postroom classify`: how a refusal is understood."""

import json
from pathlib import Path

from appliance.core.bounce_rules import read_rules

from .conftest import Postroom


def test_it_shows_kind_reason_and_rule(postroom: Postroom, data: Path) -> None:
    """And what the rule went by; no data folder is needed, and none is made."""
    result = postroom("classify", "550 5.1.1 <bob@example.org>: User unknown")
    assert result.exit_code == 0
    told = dict(line.split(None, 1) for line in result.stdout.splitlines())
    assert told["kind"] == "hard"
    assert told["reason"] == "user_unknown"
    assert told["rule"] == "status-user-unknown"
    assert told["matched"] == "5.1.1"
    assert not data.exists()


def test_scripts_are_told(postroom: Postroom) -> None:
    """With the version of the rules, as another version may judge otherwise."""
    told = json.loads(postroom("classify", "--json", "552", "over", "quota").stdout)
    assert told == {
        "kind": "soft",
        "reason": "mailbox_full",
        "rule": "words-mailbox-full",
        "matched": '"over quota"',
        "rules_version": read_rules().version,
    }


def test_a_reply_is_needed(postroom: Postroom) -> None:
    """Without one it is wrong usage."""
    assert postroom("classify").exit_code == 2
