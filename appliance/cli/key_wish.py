"""What `postroom key add` was asked for, checked as a whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import click

from appliance.cli.data import domain_name
from appliance.core.credential import (
    Network,
    Scope,
    make_key,
    make_username,
    read_network,
)
from appliance.dialects.names import FIXED_USERNAMES, Dialect, key_prefix

_USERNAME = re.compile(r"[!-~]{1,64}")


class Options(TypedDict):
    """The options of the command, as click gives them."""

    dialect: str | None
    smtp: bool
    username: str
    test: bool
    sub_account: str
    whole: bool
    scope: str
    allowed: tuple[str, ...]
    networks: tuple[Network, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Wish:
    """The key that is wanted; ``text`` is made already."""

    dialect: Dialect
    text: str = field(repr=False)
    username: str
    sub_account: str
    whole_account: bool
    scope: Scope
    domains: frozenset[str]
    networks: tuple[Network, ...]
    name: str


def wish(options: Options) -> Wish:
    """The key that these options ask for.

    Raises:
        click.UsageError: they contradict each other.
    """
    dialect = _dialect(options)
    if options["whole"] and options["sub_account"]:
        raise click.UsageError("--account and --sub-account exclude each other")
    username = options["username"]
    if username and dialect is not Dialect.SMTP:
        raise click.UsageError("--username goes with --smtp")
    if options["networks"] and not dialect.logs_in:
        raise click.UsageError("--allowed-ip is for keys that log in over SMTP")
    prefix = key_prefix(dialect, test=options["test"])
    if prefix is None:
        raise click.UsageError(f"there are no test keys of {dialect.value}")
    if dialect is Dialect.SMTP:
        username = username or make_username()
    return Wish(
        dialect=dialect,
        text=make_key(prefix),
        username=username,
        sub_account=options["sub_account"],
        whole_account=options["whole"],
        scope=Scope(options["scope"]),
        domains=frozenset(map(domain_name, options["allowed"])),
        networks=options["networks"],
        name=options["name"],
    )


def _dialect(options: Options) -> Dialect:
    named = options["dialect"]
    if options["smtp"]:
        if named not in (None, Dialect.SMTP.value):
            raise click.UsageError("--smtp and --dialect exclude each other")
        return Dialect.SMTP
    if named is None:
        raise click.UsageError("name the wire format: --dialect, or --smtp")
    return Dialect(named)


def read_username(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A user name that AUTH can carry and that names no dialect, "" if none.

    Raises:
        click.BadParameter: it is no such name.
    """
    if not value:
        return ""
    if not _USERNAME.fullmatch(value) or value.lower() in FIXED_USERNAMES:
        wrong = f"{value[:64]!r} is no user name; that is 1 to 64 printable ASCII"
        others = " and ".join(sorted(FIXED_USERNAMES))
        raise click.BadParameter(f"{wrong} characters but {others}", ctx, param)
    return value


def read_networks(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> tuple[Network, ...]:
    """The addresses and networks that were named.

    Raises:
        click.BadParameter: one of them is none.
    """
    networks = []
    for text in value:
        network = read_network(text)
        if network is None:
            wrong = f"{text!r} is no address or network, such as 192.0.2.0/24"
            raise click.BadParameter(wrong, ctx, param)
        networks.append(network)
    return tuple(networks)
