"""What every command has: the data folder, --json, and one way to fail."""

import contextlib
import errno
import functools
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click
from click.core import ParameterSource

from appliance.cli.show import give_up_stdout, plain_lines

SYSTEM_DATA = Path("/var/lib/postroom")
LOCAL_DATA = Path("postroom-data")
MAX_NAME_CHARS = 100  # as over HTTP

Params = ParamSpec("Params")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """How a command was called, apart from its own options.

    ``named`` is true if ``--data`` was typed, not only in the environment.
    """

    data: Path
    as_json: bool
    named: bool = True


class Failure(click.ClickException):
    """The command did not do what it was asked to; ``hint`` says what would help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def format_message(self) -> str:
        """The sentence, and below it the cure; a terminal shows and obeys neither."""
        text = f"{self.message}\n{self.hint}" if self.hint else self.message
        return plain_lines(text)


def example(*lines: str) -> str:
    """The end of a command's help: how it is typed, on one or more lines."""
    typed = " \\\n    ".join(lines)
    return f"\b\nExample:\n  {typed}"  # \b: click leaves the lines as they are


def default_data() -> Path:
    """The data folder when none is named: the system's if it is there."""
    return SYSTEM_DATA if SYSTEM_DATA.is_dir() else LOCAL_DATA


def common(
    function: Callable[Concatenate[Call, Params], None],
) -> Callable[Params, None]:
    """Give a command ``--data`` and ``--json``, and hand it the ``Call``."""

    @click.option(
        "--data",
        type=click.Path(path_type=Path, readable=False),  # unreadable is worded later
        envvar="POSTROOM_DATA",
        metavar="DIR",
        expose_value=False,
        callback=_keep,
        help="The data folder. Default: $POSTROOM_DATA, else /var/lib/postroom"
        " if it is there, else ./postroom-data.",
    )
    @click.option(
        "--json",
        "as_json",
        is_flag=True,
        expose_value=False,
        callback=_keep,
        help="Print JSON.",
    )
    @functools.wraps(function)
    def command(*args: Params.args, **kwargs: Params.kwargs) -> None:
        ctx = click.get_current_context()
        data: Path | None = ctx.meta["data"]
        named = ctx.get_parameter_source("data") is ParameterSource.COMMANDLINE
        call = Call(data or default_data(), ctx.meta["as_json"], named=named)
        function(call, *args, **kwargs)

    return command


def read_name(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """A name that every other command can be told, "" if none was given.

    ``NAME=70``, lists with commas, options and tables are made of names.

    Raises:
        click.BadParameter: it is no such name.
    """
    if value is None:
        return ""
    fits = 0 < len(value) <= MAX_NAME_CHARS and value.isprintable()
    if not fits or value != value.strip() or value[0] == "-" or {"=", ","} & {*value}:
        wrong = (
            f"{value[:MAX_NAME_CHARS]!r} is no name; that is 1 to {MAX_NAME_CHARS}"
            ' printable characters without "=" and ",", no blank at either end and'
            ' no "-" in front'
        )
        raise click.BadParameter(wrong, ctx, param)
    return value


def read_overrides(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> Sequence[str]:
    """What ``--set`` was given; which settings there are is not decided here.

    Raises:
        click.BadParameter: one of them has no name or no value.
    """
    for text in value:
        name, equals, _ = text.partition("=")
        if not (name.strip() and equals):
            wrong = f"{text!r} is not written as in: http.bind=127.0.0.1:0"
            raise click.BadParameter(wrong, ctx, param)
    return value


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta[param.name or ""] = value


def run(function: Callable[[], Awaitable[Result]]) -> Result:
    """Run an async function to its end; a lone error comes out of its groups."""
    import trio

    with ungrouped():
        # At checkpoints only: what was begun between two of them is done whole.
        return trio.run(function, restrict_keyboard_interrupt_to_checkpoints=True)


@contextlib.contextmanager
def ungrouped() -> Iterator[None]:
    """Raise a lone error as itself, however many nurseries it came through."""
    try:
        yield
    except BaseExceptionGroup as group:
        lone = _lone(group)
        if lone is None:
            raise
        raise lone from None


@contextlib.contextmanager
def report(*, as_json: bool) -> Iterator[None]:
    """Print an error as JSON if that is wanted; else leave it to click.

    Raises:
        click.ClickException: an error that click will print.
        click.exceptions.Exit: an error was printed.
    """
    try:
        with _output_watched():
            yield
    except click.ClickException as error:
        if not as_json:
            raise
        hint = getattr(error, "hint", "")
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"see {error.ctx.command_path} --help"
        own = isinstance(error, Failure)
        message = error.message if own else error.format_message()
        facts = {"error": {"message": message, "hint": hint}}
        click.echo(json.dumps(facts), err=True)
        raise click.exceptions.Exit(error.exit_code) from None


@contextlib.contextmanager
def _output_watched() -> Iterator[None]:
    """What commands read, and the network, is worded where it fails; this is left.

    A closed pipe is left to click, which ends quietly.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        give_up_stdout()
        what = error.filename or "the output cannot be written"
        raise Failure(f"{what}: {error.strerror or error}") from error


def _lone(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        if len(error.exceptions) != 1:
            return None
        error = error.exceptions[0]
    return error
