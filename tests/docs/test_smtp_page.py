"""The page about SMTP tells the truth about settings, commands and replies."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.docs import read_page
from appliance.settings.declared import declared
from appliance.settings.template import template

PAGE = read_page("smtp") or ""
DIALECTS = Path(__file__).parents[1] / "dialects"


def blocks(language: str) -> list[str]:
    """The code that the page shows in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """The table under a heading, cell by cell, without its own heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [one for one in section.splitlines() if one.startswith("|")]
    return [[cell.strip() for cell in one.strip("|").split("|")] for one in lines[2:]]


def test_it_explains_every_setting_and_no_other() -> None:
    """A setting that is new, or gone, is noticed here."""
    named = set(re.findall(r"`(smtp\.[a-z_]+)", PAGE))
    assert named == {name for name, _ in declared() if name.startswith("smtp.")}


@pytest.mark.parametrize("row", rows("Limits"), ids=lambda row: row[0])
def test_the_defaults_are_those_in_force(row: list[str]) -> None:
    """As they stand in the file that ships with the program."""
    name = row[0].strip("`").removeprefix("smtp.")
    shipped = template({}).partition("[smtp]")[2].partition("\n[")[0]
    value = re.search(rf"^#{name} = \"?([^\"\n]+)\"?$", shipped, re.MULTILINE)
    assert value is not None
    assert value[1] == row[1]


def test_every_command_it_shows_exists() -> None:
    """Each with the options that are shown."""
    shown = re.findall(r"`(postroom [^`]+)`", PAGE)
    assert len(shown) > 5
    for command in shown:
        words = command.split()[1:]
        names = [word for word in words[:2] if word.isalpha()]
        got = CliRunner().invoke(main, [*names, "--help"])
        assert got.exit_code == 0, command
        for option in (word for word in words if word.startswith("--")):
            assert option in got.output, command


@pytest.mark.parametrize("dialect", ["anypost", "postscale", "smtp"])
def test_it_has_every_reply_of_the_dialects(dialect: str) -> None:
    """Codes that clients may branch on are all in the table."""
    golden = (DIALECTS / dialect / "golden" / "replies.txt").read_text()
    told = " ".join(cell for row in rows("Replies") for cell in row)
    codes = set(re.findall(r"\b[45]\d\d [45]\.\d+\.\d+\b", golden))
    assert codes
    assert {code for code in codes if code not in told} == set()


def test_the_python_example_is_python() -> None:
    """It can be copied as it stands."""
    (example,) = blocks("python")
    compile(example, "smtp.md", "exec")
