"""`postroom key`: keys for the APIs and passwords for SMTP."""

import time
from typing import TYPE_CHECKING, Unpack

import click

from appliance.cli.common import Call, Failure, common, example, read_name, run
from appliance.cli.data import open_house, pick_sub_account
from appliance.cli.key_wish import (
    Options,
    Wish,
    read_networks,
    read_username,
    wish,
)
from appliance.cli.show import line, lines, say, table, when
from appliance.core.credential import Credential, Scope, hash_key, hint_of
from appliance.core.ids import parse_uuid
from appliance.dialects.names import Dialect

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from uuid import UUID


@click.group(short_help="Keys for the APIs and SMTP.")
def key() -> None:
    """Make, list and revoke keys. A key is shown once, when it is made."""


@key.command(
    short_help="Make a key and show it once.",
    epilog=example("postroom key add --smtp --scope send_only --name shop"),
)
@click.option(
    "--dialect",
    type=click.Choice([one.value for one in Dialect]),
    help="The wire format that the key is for.",
)
@click.option("--smtp", is_flag=True, help="Short for --dialect smtp.")
@click.option(
    "--username",
    default="",
    callback=read_username,
    metavar="NAME",
    help="The user name of an SMTP password. Default: one is made.",
)
@click.option("--test", is_flag=True, help="Its mail is kept for viewing and not sent.")
@click.option(
    "--sub-account", default="", metavar="ID", help="Its owner. Default: the first."
)
@click.option("--account", "whole", is_flag=True, help="A key of the whole account.")
@click.option(
    "--scope",
    type=click.Choice([one.value for one in Scope]),
    default=Scope.FULL.value,
    show_default=True,
    help="What the key may do.",
)
@click.option(
    "--allowed-domain",
    "allowed",
    multiple=True,
    metavar="DOMAIN",
    help="May send as this domain only; can be repeated. Default: all.",
)
@click.option(
    "--allowed-ip",
    "networks",
    multiple=True,
    callback=read_networks,
    metavar="ADDRESS",
    help="May be used from this address or network only; can be repeated.",
)
@click.option(
    "--name", callback=read_name, help="What it is for, to tell it from others."
)
@common
def add(call: Call, **options: Unpack[Options]) -> None:
    """Make a key. It is shown this once; only a hash of it is stored.

    With --smtp it is a user name and a password for mail programs.
    """
    wanted = wish(options)
    made = run(lambda: _store_key(call, wanted))
    if made is None:
        hint = "Name another with --username, or revoke the key that has it."
        raise Failure(f"the user name {wanted.username} is in use", hint)
    if call.as_json:
        line({**_facts(made), "key": wanted.text})
        return
    if made.username:
        say(f"User name: {made.username}")
        say(f"Password:  {wanted.text}")
    else:
        say(wanted.text)
    say(f"This key is shown once. Its id is {made.uuid}.")


@key.command("list", short_help="List the keys.", epilog=example("postroom key list"))
@common
def list_keys(call: Call) -> None:
    """List all keys by their last characters, revoked ones too."""
    found = run(lambda: _load(call))
    if call.as_json:
        lines(map(_facts, found))
        return
    headings = (
        "ID",
        "ENDS IN",
        "DIALECT",
        "OWNER",
        "SCOPE",
        "DOMAINS",
        "FROM",
        "USER NAME",
        "NAME",
        "STATE",
    )
    table(headings, map(_row, found))


@key.command(
    short_help="Make a key worthless.",
    epilog=example("postroom key revoke 0190163d-8694-739b-aea5-966c26f8ad91"),
)
@click.argument("key_id", metavar="ID")
@common
def revoke(call: Call, *, key_id: str) -> None:
    """Revoke a key; a running server refuses it within a second.

    ID is what `postroom key list` shows.
    """
    uuid = parse_uuid(key_id)
    if uuid is None:
        raise click.BadParameter(f"{key_id!r} is no id", param_hint="ID")
    if not run(lambda: _revoke(call, uuid)):
        raise Failure(f"there is no key {uuid}", "List them: postroom key list")
    if call.as_json:
        line({"id": str(uuid), "revoked": True})
    else:
        say(f"Key {uuid} is revoked.")


async def _store_key(call: Call, wanted: Wish) -> Credential | None:
    from appliance.store.credentials import NewCredential, add_credential

    async with open_house(call) as store:
        owner = await pick_sub_account(store, wanted.sub_account)
        new = NewCredential(
            account=owner.account,
            sub_account=None if wanted.whole_account else owner.id,
            dialect=wanted.dialect.value,
            scope=wanted.scope,
            name=wanted.name,
            hash=hash_key(wanted.text),
            hint=hint_of(wanted.text),
            created_ns=time.time_ns(),
            allowed_domains=wanted.domains,
            username=wanted.username,
            allowed_networks=wanted.networks,
        )
        return await store.write(add_credential, new)


async def _load(call: Call) -> list[Credential]:
    from appliance.store.credentials import list_credentials

    async with open_house(call) as store:
        return await store.read(list_credentials)


async def _revoke(call: Call, uuid: "UUID") -> bool:
    from appliance.store.credentials import revoke_credential

    async with open_house(call) as store:
        return await store.write(revoke_credential, uuid, time.time_ns())


def _facts(one: Credential) -> dict[str, object]:
    return {
        "id": str(one.uuid),
        "hint": one.hint,
        "dialect": one.dialect,
        "username": one.username or None,
        "subAccount": one.sub_account,
        "scope": one.scope.value,
        "allowedDomains": sorted(one.allowed_domains),
        "allowedIps": list(map(str, one.allowed_networks)),
        "name": one.name,
        "created": when(one.created_ns),
        "revoked": when(one.revoked_ns),
    }


def _row(one: Credential) -> tuple[object, ...]:
    return (
        one.uuid,
        one.hint,
        one.dialect,
        "account" if one.sub_account is None else one.sub_account,
        one.scope.value,
        ", ".join(sorted(one.allowed_domains)) or "all",
        ", ".join(map(str, one.allowed_networks)) or "anywhere",
        one.username,
        one.name,
        f"revoked {when(one.revoked_ns)}" if one.revoked_ns else "good",
    )
