"""The options by which a provider is described, when it is added and when changed."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, TypeVar

import click

from appliance.cli.common import Failure
from appliance.cli.provider_limits import Rate, Rule, changed, read_rate, read_rules
from appliance.core.address import Address
from appliance.core.provider import AuthMethod, DeliveredBy, NewProvider, Security
from appliance.core.retry import parse_retry_plan
from appliance.dialects.addresses import read_address

PASSWORD_VARIABLE = "POSTROOM_PROVIDER_PASSWORD"  # noqa: S105 - a name, no password
MAX_PASSWORD_BYTES = 4096
Command = TypeVar("Command", bound=Callable[..., None])
Settings = TypeVar("Settings", bound=NewProvider)


class Described(TypedDict):
    """What describes a provider; None where nothing was typed."""

    host: str | None
    port: int | None
    security: str | None
    username: str | None
    password_file: Path | None
    auth: str | None
    verify: bool | None
    connections: int | None
    retry_plan: str | None
    delivered_by: str | None
    per_hour: Rate | None
    per_second: Rate | None
    rules: tuple[Rule, ...]


class Options(Described):
    """All options of a command that adds or changes a provider."""

    no_test: bool
    test_from: Address | None
    test_to: Address | None


def described(base: Settings, options: Described, password: str | None) -> Settings:
    """``base`` with all that was typed in its place, and with the password if any."""
    username = base.username if options["username"] is None else options["username"]
    typed = {
        "host": options["host"],
        "port": options["port"],
        "security": options["security"] and Security(options["security"]),
        "username": username,
        "password": password if username else "",
        "auth_method": options["auth"] and AuthMethod(options["auth"]),
        "verify_certificate": options["verify"],
        "max_connections": options["connections"],
        "retry_plan": options["retry_plan"],
        "delivered_by": options["delivered_by"]
        and DeliveredBy(options["delivered_by"]),
    }
    given: dict[str, object] = {
        name: value for name, value in typed.items() if value is not None
    }
    rates = options["per_hour"], options["per_second"]
    limits = changed(base.limits, *rates, options["rules"])
    return replace(base, limits=limits, **given)  # type: ignore[arg-type]


def describing(command: Command) -> Command:
    """The options that describe a provider."""
    for option in reversed(_DESCRIBING):
        command = option(command)
    return command


def testing(command: Command) -> Command:
    """The options of a test message."""
    for name, what in (("--test-to", "Recipient"), ("--test-from", "Sender")):
        command = click.option(
            name,
            callback=_read_address_option,
            metavar="ADDRESS",
            help=f"{what} of the test message. Default: postmaster@ the public host.",
        )(command)
    return command


def typed_password(options: Described) -> str | None:
    """The password for what was typed; None if it asks for none.

    Raises:
        Failure: there is none, or it cannot be read.
    """
    if not options["username"] and options["password_file"] is None:
        return None
    return _read_password(options["password_file"])


def _read_address_option(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> Address | None:
    if value is None:
        return None
    address = read_address(value)
    if address is None:
        raise click.BadParameter(f"{value!r} is no mail address", ctx, param)
    return address


def _read_plan(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> str | None:
    try:
        parse_retry_plan(value or "")
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    return value


def _read_password(file: Path | None) -> str:
    """From the file, the environment, or standard input, in this order."""
    if file is not None:
        try:
            with file.open("rb") as stream:
                return stream.read(MAX_PASSWORD_BYTES).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", "it is not UTF-8 text")
            raise Failure(f"{file} cannot be read as a password: {why}") from None
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if sys.stdin.isatty():
        answer: str = click.prompt("Password", hide_input=True, err=True)
    else:  # a prompt would warn that it cannot hide what a pipe says
        answer = sys.stdin.readline(MAX_PASSWORD_BYTES).rstrip("\r\n")
    if not answer:
        raise Failure("there is no password", "See: postroom provider add --help")
    return answer


_DESCRIBING: Sequence[Callable[[Command], Command]] = (
    click.option("--host", help="Its host name or IP address."),
    click.option("--port", type=click.IntRange(1, 65535), help="Default: 587."),
    click.option(
        "--security",
        type=click.Choice([one.value for one in Security]),
        help="How the connection is protected. Default: starttls.",
    ),
    click.option("--username", help='Log in as this user; "" to log in no more.'),
    click.option(
        "--password-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"Where its password is. Else ${PASSWORD_VARIABLE}, else you are asked.",
    ),
    click.option(
        "--auth",
        type=click.Choice([one.value for one in AuthMethod]),
        help="How to log in. Default: auto, which is PLAIN, else LOGIN.",
    ),
    click.option(
        "--verify/--no-verify",
        default=None,
        help="Take a good certificate only (the default), or any.",
    ),
    click.option(
        "--connections",
        type=click.IntRange(1, 1000),
        help="Connections at a time. Default: relay.max_connections.",
    ),
    click.option(
        "--retry-plan",
        callback=_read_plan,
        metavar="PAUSES",
        help="Its own retry plan, such as 1h,2h,3h. Default: relay.retry_plan.",
    ),
    click.option(
        "--delivered-by",
        type=click.Choice([one.value for one in DeliveredBy]),
        help="Whose word tells webhooks that a mail was delivered, where that is told"
        " once: the log agent's or its own 2xx. Default: auto, the agent's if it has"
        " one.",
    ),
    click.option(
        "--max-rate-per-hour",
        "per_hour",
        callback=read_rate,
        metavar="N",
        help="Mails an hour, or none. Default: relay.default_rate_per_hour.",
    ),
    click.option(
        "--max-rate-per-second",
        "per_second",
        callback=read_rate,
        metavar="N",
        help="Mails a second, or none.",
    ),
    click.option(
        "--limit",
        "rules",
        multiple=True,
        callback=read_rules,
        metavar="KEY=N/h",
        help="Mails an hour (/h) or a second (/s), or connections at a time (/c), for a"
        " class of recipients, such as gmail=100/h, or a domain; KEY=none lifts it. Can"
        " be repeated.",
    ),
)
