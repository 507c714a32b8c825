"""The data folder's default, and the one way in which commands fail."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
import trio
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli import common, main
from appliance.cli.common import read_name
from appliance.cli.show import plain
from tests.fakes.postroom import ROOT, program_words

from .conftest import Postroom


def test_an_error_says_what_happened_and_what_helps(postroom: Postroom) -> None:
    """Text goes to standard error: a sentence, and the cure below it."""
    result = postroom("domain", "list")
    assert result.exit_code == 1
    assert not result.stdout
    first, second = result.stderr.splitlines()
    assert first.startswith("Error: there is no Postroom data in ")
    assert second.startswith("Make it with: postroom init --data ")


def test_an_error_is_one_object_under_json(postroom: Postroom) -> None:
    """Standard output holds results only; the error is JSON on standard error."""
    result = postroom("domain", "list", "--json")
    assert result.exit_code == 1
    assert not result.stdout
    error = json.loads(result.stderr)["error"]
    assert error["message"].startswith("there is no Postroom data")
    assert "postroom init" in error["hint"]


@pytest.mark.parametrize(
    "words",
    [["nosuch", "--json"], ["pool", "add", "--json"], ["status", "-x", "--json"]],
)
def test_wrong_usage_is_one_object_too(words: list[str]) -> None:
    """A script need not parse prose, whatever it did wrong."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    error = json.loads(result.stderr)["error"]
    assert error["message"]
    assert "--help" in error["hint"]


def test_the_data_folder_is_named_by_option_or_environment(
    postroom: Postroom, data: Path, tmp_path: Path
) -> None:
    """The option wins."""
    other = tmp_path / "other"
    result = postroom("init", "--json", "--data", str(other))
    assert json.loads(result.stdout)["data"] == str(other)
    assert not data.exists()


def test_the_systems_folder_is_the_default_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an installed machine no option is needed; elsewhere it is the local folder."""
    monkeypatch.setattr(common, "SYSTEM_DATA", tmp_path)
    assert common.default_data() == tmp_path
    monkeypatch.setattr(common, "SYSTEM_DATA", tmp_path / "no")
    assert common.default_data() == Path("postroom-data")


def test_a_lone_error_comes_out_of_its_groups() -> None:
    """What a nursery wraps is reported as if it had not been."""

    async def refuse() -> None:
        raise common.Failure("no")

    async def nested() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)

    with pytest.raises(common.Failure, match="no"):
        common.run(nested)


def test_several_errors_stay_together() -> None:
    """Nothing is hidden when more than one thing went wrong."""

    async def fail() -> None:
        raise ValueError

    async def nested() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(fail)

    with pytest.raises(ExceptionGroup):
        common.run(nested)


@pytest.mark.parametrize("as_json", [True, False])
def test_wrong_settings_refuse_by_file_line_and_key(
    ready: Postroom, data: Path, *, as_json: bool
) -> None:
    """A typing mistake in the settings file is placed, and nothing is done."""
    (data / "postroom.toml").write_text("[http]\nbnid = 5\n")
    result: Result = ready("config", "print", *(["--json"] if as_json else []))
    assert result.exit_code == 1
    assert "postroom.toml, line 2: http.bnid is no setting" in result.stderr
    assert "did you mean http.bind?" in result.stderr


def test_a_folder_of_somebody_else_is_a_failure_with_a_cure(
    postroom: Postroom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not wrong usage: the words were right, the user was not."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    result = postroom("status", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "there is no Postroom data" in result.stderr


def test_an_error_does_not_steer_the_terminal(ready: Postroom) -> None:
    """ATTACKS 19: a name with an escape sequence is shown, not obeyed."""
    result = ready("provider", "remove", "a\x1b[31mb")
    assert result.exit_code == 1
    assert r"there is no provider a\x1b[31mb" in result.stderr


def test_the_way_out_of_wrong_settings_is_open(ready: Postroom, data: Path) -> None:
    """The command that the error names works while the settings are wrong."""
    (data / "postroom.toml").write_text("[http]\nbnd = 1\nbynd = 1\n")
    first, second, hint = ready("config", "print").stderr.splitlines()
    assert "line 2" in first
    assert "line 3" in second
    assert hint.endswith("postroom config print --defaults")
    assert ready("config", "print", "--defaults").exit_code == 0


BAD_NAMES = ["", " ", " a", "a ", "a=b", "a,b", "-a", "a\nb", "a\x1b[2Jb", "x" * 101]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize(
    "words",
    [
        ("provider", "add", "--host", "x", "--no-test", "--", "{}"),
        ("pool", "add", "--", "{}", "capture=100"),
        ("key", "add", "--dialect", "smtp", "--name={}"),
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_other_commands_could_not_be_told_is_wrong_usage(
    ready: Postroom, words: tuple[str, ...], name: str
) -> None:
    """ATTACKS 19: nothing is made under it, and the refusal says what a name is."""
    before = ready(words[0], "list", "--json").stdout
    result = ready(*[word.format(name) for word in words])
    assert result.exit_code == 2
    assert "is no name; that is 1 to 100 printable characters" in result.stderr
    assert "\x1b" not in result.stderr
    assert ready(words[0], "list", "--json").stdout == before


@given(st.text(max_size=70))
def test_what_is_taken_as_a_name_can_be_a_part_of_a_pool(text: str) -> None:
    """It is found again in NAME=70, in lists with commas, and by the eye."""
    ctx, param = click.Context(click.Command("x")), click.Argument(["name"])
    try:
        name = read_name(ctx, param, text)
    except click.BadParameter:
        return
    assert name == text == text.strip()
    assert f"{name}=70".split("=") == [name, "70"]
    assert f"{name}, {name}".split(", ") == [name, name]
    assert plain(name) == name


@pytest.mark.parametrize("name", ["a", "x" * 100, "Main pool (EU)", "büro-1"])
def test_most_names_are_names(ready: Postroom, name: str) -> None:
    """People call things as they like."""
    assert ready("pool", "add", name, "capture=100").exit_code == 0


@pytest.mark.parametrize("words", [("serve",), ("config", "print")])
@pytest.mark.parametrize("given", ["x", "http.bind", "=5", " =5"])
def test_a_setting_without_a_value_is_wrong_usage(
    postroom: Postroom, words: tuple[str, ...], given: str
) -> None:
    """Before anything is read."""
    result = postroom(*words, "--set", given)
    assert result.exit_code == 2
    assert "is not written as in: http.bind=" in result.stderr


@contextmanager
def somebody_else(data: Path) -> Iterator[None]:
    """Be a user who may not look into the folder."""
    if os.geteuid() == 0:
        os.seteuid(65534)
    else:
        data.chmod(0)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        else:
            data.chmod(0o700)


@pytest.mark.parametrize("words", [("status",), ("config", "print")])
def test_what_cannot_be_read_is_for_another_user(
    ready: Postroom, data: Path, words: tuple[str, ...]
) -> None:
    """The file is named, and who may read it."""
    with somebody_else(data):
        result = ready(*words)
    assert result.exit_code == 1
    assert "cannot be read: Permission denied" in result.stderr
    assert "as the user that Postroom runs as" in result.stderr


def full(*words: str) -> subprocess.CompletedProcess[str]:
    """A command whose output finds no room."""
    with Path("/dev/full").open("w") as nowhere:
        return subprocess.run(
            [*program_words(), *words],
            stdout=nowhere,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
        )


@pytest.mark.parametrize("words", [("version",), ("--help",), ("pool", "add", "-h")])
def test_output_without_room_is_one_sentence(words: tuple[str, ...]) -> None:
    """No traceback, nothing more at the end, status 1."""
    done = full(*words)
    assert done.returncode == 1
    said = "Error: the output cannot be written: No space left on device\n"
    assert done.stderr == said


def test_keys_that_could_not_be_shown_are_told_of(data: Path) -> None:
    """They are stored already: what is lost is said, and how to come by others."""
    done = full("init", "--data", str(data))
    assert done.returncode == 1
    message, hint = done.stderr.splitlines()
    assert message.endswith("cannot be shown: No space left on device")
    assert "postroom key add" in hint
    assert str(data) in hint
    assert full("init", "--data", str(data), "--json").returncode == 1
