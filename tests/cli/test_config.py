"""`postroom config print`."""

import json
from pathlib import Path

from appliance.settings.declared import declared
from appliance.settings.template import template

from .conftest import Postroom


def test_every_setting_is_shown_with_its_source(postroom: Postroom, data: Path) -> None:
    """The operator sees what is in force, and why."""
    data.mkdir()
    (data / "postroom.toml").write_text('[dns]\ntimeout = "9s"\n')
    result = postroom("config", "print", "--set", "log.level=debug")
    lines = {
        one.split()[0]: one.split(maxsplit=2)[1:] for one in result.stdout.splitlines()
    }
    assert lines["dns.timeout"] == ["9s", f"{data}/postroom.toml, line 2"]
    assert lines["log.level"] == ["debug", "--set"]
    assert lines["http.bind"] == ["127.0.0.1:8025", "default"]
    assert len(lines) == 1 + len(dict(declared()))


def test_json_has_types_and_meanings(postroom: Postroom) -> None:
    """One object: every setting with value, source and meaning."""
    facts = json.loads(postroom("config", "print", "--json").stdout)
    assert facts["relay.permanent_5xx"]["value"] is False
    assert facts["http.max_connections"]["value"] == 1000
    assert facts["http.max_body"]["value"] == "40MiB"
    assert facts["http.max_body"]["from"] == "default"
    assert all(one["meaning"] for one in facts.values())


def test_defaults_are_shown_whatever_is_set(postroom: Postroom, data: Path) -> None:
    """--defaults looks at no source."""
    data.mkdir()
    (data / "postroom.toml").write_text("nonsense")
    facts = json.loads(postroom("config", "print", "--json", "--defaults").stdout)
    assert facts["dns.timeout"] == {
        "value": "5s",
        "from": "default",
        "meaning": "How long one lookup may take in all.",
    }


def test_the_template_is_the_shipped_file(postroom: Postroom) -> None:
    """`config print --template` is how etc/postroom.toml is made."""
    assert postroom("config", "print", "--template").stdout == template()
    assert postroom("config", "print", "--template", "--json").exit_code == 2
