"""The agent's options: file, environment, flags."""

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.agent.config import Config, ConfigError, load_config
from tests.fakes.readme import ROOT

SHIPPED = ROOT / "etc/sendpost-agent/config.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The options' file."""
    return tmp_path / "config.yaml"


def test_the_shipped_file_shows_the_defaults() -> None:
    """Every option, with the value that it has anyway; but for the key."""
    config = load_config(SHIPPED, {}, {})
    assert replace(config, api_key="") == Config()
    text = SHIPPED.read_text(encoding="utf-8")
    for name in Config.__dataclass_fields__:
        assert f"{name.replace('_', '-')}:" in text


def test_flags_win_over_environment_and_file(file: Path) -> None:
    """And both spellings of a name are the same."""
    file.write_text("api_key: k\nlog-path: /a\nhealth: a:1\nstate_path: /s\n")
    environ = {"POSTROOM_AGENT_LOG_PATH": "/b", "POSTROOM_AGENT_HEALTH": "b:2"}
    config = load_config(file, {"log_path": "/c"}, environ)
    assert (config.log_path, config.health, config.state_path) == ("/c", "b:2", "/s")
    assert config.read_key() == "k"


def test_the_key_may_be_in_a_file_of_its_own(file: Path, tmp_path: Path) -> None:
    """It is read anew each time, and the stronger place wins."""
    secret = tmp_path / "key"
    secret.write_text("first\n")
    file.write_text("api-key: other\n")
    config = load_config(file, {"api_key_file": str(secret)}, {})
    assert config.read_key() == "first"
    secret.write_text("second")
    assert config.read_key() == "second"
    assert "first" not in repr(
        load_config(None, {}, {"POSTROOM_AGENT_API_KEY": "first"})
    )


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX-Header: b", "\xfc", "x" * 501])
def test_what_cannot_be_a_key_is_refused(key: str) -> None:
    """It would not fit into a header."""
    with pytest.raises(ConfigError):
        Config(api_key=key).read_key()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("logpath: /a", "logpath"),
        ("mta: exim", "mta"),
        ("endpoint: ftp://x", "endpoint"),
        ("endpoint: http://[x", "endpoint"),
        ("log-path: mail.log", "log-path"),
        ("state-path: x", "state-path"),
        ("health: 9113", "health"),
        ("log-level: loud", "log-level"),
        ("api-key: [a]", "api-key"),
        ("- a", "no options"),
        ("a: [", "no YAML"),
        ("a: !!python/object/apply:os.system [id]", "no YAML"),
    ],
)
def test_what_is_wrong_is_named(file: Path, text: str, named: str) -> None:
    """A mistake is no default."""
    file.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_config(file, {}, {})


def test_an_unknown_variable_is_named(file: Path) -> None:
    """As an unknown option in the file is."""
    file.touch()
    with pytest.raises(ConfigError, match="POSTROOM_AGENT_LOGPATH"):
        load_config(file, {}, {"POSTROOM_AGENT_LOGPATH": "/a"})


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    """Whoever names one wants it read."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(file, {}, {})


def test_a_key_in_clear_is_noticed() -> None:
    """On this machine it stays."""
    assert Config(endpoint="http://example.com/x").in_clear
    assert not Config(endpoint="https://example.com/x").in_clear
    assert not Config().in_clear
