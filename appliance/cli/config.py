"""`postroom config`: what the settings are and where each comes from."""

import click

from appliance.cli.common import Call, common, example, read_overrides
from appliance.cli.data import settings_with_places
from appliance.cli.show import line, say, table
from appliance.settings import Settings
from appliance.settings.declared import declared
from appliance.settings.load import Loaded, value_of
from appliance.settings.setting import Declared
from appliance.settings.template import template


@click.group(short_help="Show the settings.")
def config() -> None:
    """Show the settings: the file, the environment and --set, put together."""


@config.command(
    "print",
    short_help="Print the settings in force.",
    epilog=example("postroom config print --set relay.retry_plan=30s,5m"),
)
@click.option("--defaults", is_flag=True, help="Print the defaults instead.")
@click.option(
    "--template", "as_file", is_flag=True, help="Print a settings file to start from."
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=read_overrides,
    metavar="A.B=VALUE",
    help="Change one.",
)
@common
def print_settings(
    call: Call, *, defaults: bool, as_file: bool, overrides: tuple[str, ...]
) -> None:
    """Print every setting with its value and where that comes from."""
    if as_file:
        if call.as_json:
            raise click.UsageError("--template is no JSON")
        say(template().rstrip("\n"))
        return
    loaded = Loaded(Settings()) if defaults else settings_with_places(call, overrides)
    if call.as_json:
        line({key: _facts(key, one, loaded) for key, one in declared()})
        return
    rows = (
        (key, _spelt(key, one, loaded), loaded.place(key)) for key, one in declared()
    )
    table(("SETTING", "VALUE", "FROM"), rows)


def _spelt(key: str, setting: Declared[object], loaded: Loaded) -> str:
    return setting.kind.spell(value_of(loaded.settings, key)) or '""'


def _facts(key: str, setting: Declared[object], loaded: Loaded) -> dict[str, object]:
    value = value_of(loaded.settings, key)
    return {
        "value": value if setting.kind.bare else setting.kind.spell(value),
        "from": loaded.place(key),
        "meaning": setting.meaning,
    }
