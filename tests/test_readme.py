"""README.md tells the truth about files, states, events and commands."""

import re

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.core.delivery import State
from appliance.core.event import EventType
from tests.fakes.readme import ROOT, TEXT, commands, table_rows

# Where a path that the text shortens begins.
BASES = (ROOT, ROOT / "appliance")


@pytest.mark.parametrize(
    "path",
    sorted(set(re.findall(r"`((?:[\w.]+/)+(?:[\w.]+)?|[\w]+\.(?:py|md))`", TEXT))),
)
def test_every_file_it_names_is_there(path: str) -> None:
    """The map of the code leads somewhere."""
    built = path.startswith("dist/")
    assert built or any((base / path).exists() for base in BASES)


def test_it_shows_the_states_and_where_they_lead() -> None:
    """The diagram of the words is that of the code."""
    told = {row[0]: row[2] for row in table_rows("state")}
    assert list(told) == [state.name.lower().replace("_", " ") for state in State]
    assert State.__doc__ is not None
    for state in State:
        line = next(
            one
            for one in State.__doc__.splitlines()
            if one.strip().startswith(state.name)
        )
        for other in State:
            leads = re.search(rf"\b{other.name}\b", line.partition("  ")[2][27:])
            name = other.name.lower().replace("_", " ")
            assert bool(leads) == (name in told[state.name.lower().replace("_", " ")])


def test_it_shows_the_types_of_events() -> None:
    """Number and name belong together."""
    for number, name, _ in table_rows("type"):
        assert EventType(int(number)).label == name


def test_every_command_it_shows_exists() -> None:
    """Each parses as far as its help."""
    shown = [one.split() for one in commands("sh") if one.startswith("postroom ")]
    assert len(shown) > 5
    for words in shown:
        names = [word for word in words[1:3] if word.isalpha() and word != "mta"]
        got = CliRunner().invoke(main, [*names, "--help"])
        assert got.exit_code == 0, words


def test_every_script_it_shows_is_there() -> None:
    """And can be run."""
    for script in set(re.findall(r"\./(scripts/\w+)", TEXT)):
        assert (ROOT / script).stat().st_mode & 0o111
