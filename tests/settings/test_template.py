"""The settings file: generated, complete, and read back as it was meant."""

import tomllib
from pathlib import Path

from appliance.settings import HostPort, Settings, load_settings
from appliance.settings.declared import declared
from appliance.settings.template import template

SHIPPED = Path(__file__).parents[2] / "etc" / "postroom.toml"


def test_the_shipped_file_is_the_generated_one() -> None:
    """`postroom config print --template > etc/postroom.toml` has nothing to change."""
    assert SHIPPED.read_text() == template()


def test_the_file_shows_every_setting_and_changes_none(tmp_path: Path) -> None:
    """All defaults are visible; as shipped, the file has no effect."""
    text = template()
    for key, _ in declared():
        assert f"\n#{key.partition('.')[2]} = " in text
    (tmp_path / "postroom.toml").write_text(text)
    assert load_settings(tmp_path) == Settings()


def test_without_its_comment_signs_the_file_spells_the_defaults(tmp_path: Path) -> None:
    """The values shown are the ones that hold."""
    lines = [
        line.removeprefix("#")
        for line in template().splitlines()
        if not line.startswith("# ") and line != "#"
    ]
    (tmp_path / "postroom.toml").write_text("\n".join(lines))
    assert len(tomllib.loads("\n".join(lines))) > 5
    assert load_settings(tmp_path) == Settings()


def test_chosen_settings_are_set(tmp_path: Path) -> None:
    """What `postroom init` decides stands in the file without a comment sign."""
    (tmp_path / "postroom.toml").write_text(template({"http.bind": "0.0.0.0:80"}))
    assert load_settings(tmp_path).http.bind == (HostPort("0.0.0.0", 80),)
