"""Promises that hold for the whole command tree."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from appliance.cli import COMMANDS, main

OF_DESIGN = {
    "init",
    "serve",
    "demo",
    "send",
    "domain add",
    "domain list",
    "domain show",
    "domain verify",
    "domain trust",
    "domain track",
    "domain rotate",
    "domain retire",
    "domain remove",
    "provider add",
    "provider list",
    "provider set",
    "provider test",
    "provider event-key",
    "provider remove",
    "pool add",
    "pool list",
    "pool remove",
    "pool set",
    "key add",
    "key list",
    "key revoke",
    "events tail",
    "events list",
    "events verify",
    "explain",
    "classify",
    "queue list",
    "queue count",
    "queue hold",
    "queue release",
    "queue retry",
    "queue drop",
    "queue move",
    "suppression list",
    "suppression add",
    "suppression remove",
    "suppression import",
    "suppression export",
    "stats verify",
    "webhook list",
    "webhook add",
    "webhook set",
    "webhook remove",
    "webhook log",
    "webhook test",
    "webhook replay",
    "webhook rotate",
    "status",
    "agent",
    "unblock",
    "version",
    "config print",
}


def walk(
    group: click.Group, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command below ``group`` that is no group itself."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from walk(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


EVERY = dict(walk(main))


def help_of(name: str) -> str:
    """What --help prints."""
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    assert result.exit_code == 0
    return result.output


def test_the_tree_is_the_one_that_was_designed() -> None:
    """Every command of DESIGN 5 that this version has, and no other."""
    assert set(EVERY) == OF_DESIGN


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_command_speaks_json(name: str) -> None:
    """A script can read every command."""
    assert "--json" in help_of(name)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_command_takes_the_data_folder(name: str) -> None:
    """A command works on any data folder."""
    assert "--data" in help_of(name)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_command_says_what_it_does(name: str) -> None:
    """The list of commands has a short line for each, and so has its own page."""
    command = EVERY[name]
    assert command.get_short_help_str().endswith(".")
    assert command.help


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_example_is_right(name: str) -> None:
    """The example in the help is accepted by the command it is about."""
    _, _, shown = help_of(name).partition("Example:")
    typed = re.sub(r"\\\n", " ", shown)
    words = shlex.split(typed[typed.index("postroom") :].partition("\n\n")[0])
    assert words[1 : 1 + len(name.split())] == name.split()
    EVERY[name].make_context(name, words[1 + len(name.split()) :])


@pytest.mark.parametrize("words", [["nosuch"], ["key", "nosuch"], ["--nosuch"]])
def test_wrong_usage_is_status_2(words: list[str]) -> None:
    """A script can tell wrong usage from refusal."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert not result.stdout


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """`postroom version` and every --help start without the server's libraries."""
    heavy = {"trio", "cryptography", "quart", "hypercorn", "aiosqlite", "msgspec"}
    names = ", ".join(repr(path.partition(":")[0]) for path in COMMANDS.values())
    code = (
        "import importlib, sys; import appliance.cli;"
        f" [importlib.import_module(one) for one in [{names}]];"
        f" print(*sorted(set({sorted(heavy)}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not done.stdout.strip()


def test_the_program_runs_as_a_module() -> None:
    """`python -m appliance` is `postroom`, with its exit status."""
    words = [sys.executable, "-m", "appliance", "key", "revoke", "x", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert '"error"' in done.stderr
