"""`postroom init`: a data folder with the first account and its keys."""

import time
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import settings_of
from appliance.cli.show import give_up_stdout, line, pairs, say

if TYPE_CHECKING:  # these take 0.2 s to import, and `postroom --help` needs none
    from appliance.flow.setup import Initialised


@click.command(
    short_help="Make the data folder, the first account and its keys.",
    epilog=example("postroom init --data ./postroom-data"),
)
@click.option(
    "--system",
    is_flag=True,
    help="For a machine of its own: let other machines reach the doors.",
)
@common
def init(call: Call, *, system: bool) -> None:
    """Make the data folder: settings file, certificate, first account and keys.

    With --system mail is taken in on the ports that the world expects (25, 465,
    587, 2587), as far as nobody else has them; otherwise from this machine only.

    The keys and the dashboard password are shown this once and stored as hashes.
    A second init of the same folder changes nothing.
    """
    from appliance.flow.setup import DataFolder, FolderError, initialise
    from appliance.net.tls_server import CertificateError

    folder = DataFolder(call.data)
    settings = settings_of(call)
    host = "" if settings.smtp.certificate else settings.smtp_host

    async def make() -> "Initialised | None":
        return await initialise(folder, time.time_ns(), system=system, host=host)

    try:
        made = run(make)
    except FolderError as error:
        raise Failure(str(error), error.hint) from None
    except CertificateError as error:
        hint = f"Remove {folder.certificate_key}, and a new one is made."
        raise Failure(str(error), hint) from None
    if made is None:
        _show_unchanged(call)
        return
    try:
        _show(call, made)
    except OSError as error:
        give_up_stdout()
        message = f"the keys are made and cannot be shown: {error.strerror}"
        raise Failure(message, _cure(call)) from None


def _show_unchanged(call: Call) -> None:
    if call.as_json:
        line({"data": str(call.data.resolve()), "changed": False})
        return
    say(f"{call.data.resolve()} is set up already; nothing was changed.")
    say("Keys are shown once only. For a new one: postroom key add --help")


def _facts(call: Call, made: "Initialised") -> dict[str, object]:
    """The keys by their names; that of the sub-account stands with the sub-account."""
    keys = dict(made.keys)
    sub_account = {"id": int(made.sub_account.id), "key": keys.pop("subAccountKey")}
    facts: dict[str, object] = {
        "data": str(call.data.resolve()),
        "subAccount": sub_account,
        **keys,
        "dashboard": {"user": made.user, "password": made.password},
    }
    if made.notes:
        facts["notes"] = made.notes
    return facts


def _cure(call: Call) -> str:
    """How to come by keys, all having been stored as hashes before they were shown."""
    return (
        "For new keys: postroom key add --help. The dashboard's password is lost;"
        f" for a new one too, remove {call.data.resolve()} and repeat postroom init."
    )


def _show(call: Call, made: "Initialised") -> None:
    if call.as_json:
        line(_facts(call, made))
        return
    pairs(
        {
            "Data": call.data.resolve(),
            "Sub-account": f"{made.sub_account.id} ({made.sub_account.name})",
            **made.keys,
            "Dashboard user": made.user,
            "Dashboard password": made.password,
        }
    )
    say("")
    say("The keys and the password are shown this once. Keep them somewhere safe.")
    for note in made.notes:
        say(note)
    say(f"Next: postroom serve --data {call.data}")
