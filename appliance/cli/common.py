"""What every command has: the data folder, --json, and one way to fail."""

import contextlib
import functools
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click

SYSTEM_DATA = Path("/var/lib/postroom")
LOCAL_DATA = Path("postroom-data")

Params = ParamSpec("Params")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """How a command was called, apart from its own options.

    ``named`` is true if somebody named the data folder.
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
        """The sentence, and below it the cure."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


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
        type=click.Path(path_type=Path),
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
        kept = click.get_current_context().meta
        data: Path | None = kept["data"]
        call = Call(data or default_data(), kept["as_json"], named=data is not None)
        function(call, *args, **kwargs)

    return command


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta[param.name or ""] = value


def run(function: Callable[[], Awaitable[Result]]) -> Result:
    """Run an async function to its end; a lone error comes out of its groups."""
    import trio

    with ungrouped():
        return trio.run(function)


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
        click.exceptions.Exit: an error was printed.
    """
    try:
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


def _lone(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        if len(error.exceptions) != 1:
            return None
        error = error.exceptions[0]
    return error
