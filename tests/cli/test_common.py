"""The data folder's default, and the one way in which commands fail."""

import json
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from appliance.cli import common, main

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
