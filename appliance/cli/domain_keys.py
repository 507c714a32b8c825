"""`postroom domain rotate` and `retire`: one DKIM key of a domain after another."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_domain
from appliance.cli.domain_words import facts, key_facts, show_key_record
from appliance.cli.show import line, note, say
from appliance.core.domain import Algorithm, DkimKey, SenderDomain, Stage

if TYPE_CHECKING:  # these take 0.3 s to import, and --help needs none
    from appliance.flow.domain_keys import KeyWish

MAX_KEY_FILE_BYTES = 65_536

of_owner = click.option(
    "--sub-account", default="", metavar="ID", help="Its owner, where several have it."
)
named_selector = click.option(
    "--selector",
    default="",
    metavar="NAME",
    help="The key's name in the DNS: NAME._domainkey. Default: one of ours.",
)
own_key_file = click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Your own private key in PEM, RSA or Ed25519. Default: a new one is made.",
)


@click.command(
    short_help="Replace a DKIM key, with an overlap.",
    epilog=example("postroom domain rotate example.com --selector key2"),
)
@click.argument("name")
@named_selector
@own_key_file
@click.option("--ed25519", is_flag=True, help="The Ed25519 key, not the RSA key.")
@of_owner
@common
def rotate(
    call: Call,
    *,
    name: str,
    selector: str,
    key_file: Path | None,
    ed25519: bool,
    sub_account: str,
) -> None:
    """Make a new DKIM key, or take your own, and print the DNS record to publish.

    The old key signs until the record of the new one is seen in the DNS. Then the new
    key signs; the record of the old one must stay for 7 days, for mail under way.
    """
    if ed25519 and key_file:
        raise click.UsageError("--ed25519 is for a new key; --key-file has its kind")
    algorithm = Algorithm.ED25519_SHA256 if ed25519 else Algorithm.RSA_SHA256
    wish = read_wish(selector, key_file, algorithm)
    found, key = run(lambda: _rotate(call, name, sub_account, wish))
    warn_of_weakness(key)
    if call.as_json:
        line({**facts(found), "key": key_facts(found, key)})
        return
    say("Publish this record, and leave that of the old key where it is:\n")
    show_key_record(found, key)
    note(
        f"\n{found.name} signs with {key.selector} once its record is seen. To look"
        f" now: postroom domain verify {found.name}"
    )


@click.command(
    short_help="Remove DKIM keys that no longer sign.",
    epilog=example("postroom domain retire example.com --selector sp-dkim"),
)
@click.argument("name")
@click.option(
    "--selector",
    default="",
    metavar="NAME",
    help="That key; one that still waits for its record too. Default: all retired.",
)
@of_owner
@common
def retire(call: Call, *, name: str, selector: str, sub_account: str) -> None:
    """Remove retired DKIM keys at once; left alone, they go after 7 days.

    Their records may then be taken out of the DNS: mail that they signed and that is
    still under way would no longer be verified.
    """
    found, gone = run(lambda: _retire(call, name, sub_account, selector))
    if call.as_json:
        line({**facts(found), "removed": gone})
        return
    for one in gone:
        say(f"Key {one} is removed; {one}._domainkey.{found.name} may go.")
    if not gone:
        say(f"{found.name} has no retired key.")


def read_wish(selector: str, key_file: Path | None, algorithm: Algorithm) -> "KeyWish":
    """The key that the options ask for.

    Raises:
        Failure: its file cannot be read.
    """
    from appliance.flow.domain_keys import KeyWish

    name = selector.strip().lower()
    if key_file is None:
        return KeyWish(name, b"", algorithm)
    try:
        with key_file.open("rb") as file:
            pem = file.read(MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise Failure(f"cannot read {key_file}: {error.strerror}") from None
    return KeyWish(name, pem, algorithm)


def warn_of_weakness(*keys: DkimKey) -> None:
    """Say what speaks against keys that are taken all the same."""
    from appliance.mime.dkim_keys import weakness

    for text in filter(None, map(weakness, keys)):
        note(f"Warning: {text}.\n")


async def _rotate(
    call: Call, name: str, sub_account: str, wish: "KeyWish"
) -> tuple[SenderDomain, DkimKey]:
    from appliance.flow.domain_keys import KeyRefused
    from appliance.flow.domain_keys import rotate as rotate_key

    async with open_house(call) as store:
        domain = await pick_domain(store, name, sub_account)
        try:
            return await rotate_key(store, domain, wish, time.time_ns())
        except KeyRefused as error:
            raise Failure(str(error), error.hint) from None


async def _retire(
    call: Call, name: str, sub_account: str, selector: str
) -> tuple[SenderDomain, list[str]]:
    from appliance.store.domain_keys import remove_idle_key

    async with open_house(call) as store:
        domain = await pick_domain(store, name, sub_account)
        gone = _to_retire(domain, selector)
        for one in gone:
            await store.write(remove_idle_key, domain.id, one)
        return await pick_domain(store, domain.name, str(domain.sub_account)), gone


def _to_retire(domain: SenderDomain, selector: str) -> list[str]:
    if not selector:
        return [one.selector for one in domain.keys if one.stage is Stage.RETIRED]
    key = domain.key(selector)
    if key is None:
        known = ", ".join(one.selector for one in domain.keys)
        raise Failure(f"{domain.name} has no key {selector}", f"It has: {known}")
    if key.stage is Stage.ACTIVE:
        hint = f"Replace it with: postroom domain rotate {domain.name}"
        raise Failure(f"the key {selector} is in use", hint)
    return [selector]
