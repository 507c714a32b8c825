"""`postroom send`: hands in a mail as the operator."""

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house, pick_sub_account, settings_of
from appliance.cli.dry_run import failures, show_reports, try_out
from appliance.cli.show import lines, plain, say, table
from appliance.core.address import Mailbox
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import Attachment, Content, Recipient, Submission
from appliance.dialects.addresses import read_address

if TYPE_CHECKING:  # flow and store take 0.3 s to import, and --help needs none
    from appliance.core.ids import SubAccountId
    from appliance.store.database import Store

STDIN = "-"
_NAMED = re.compile(r"\s*(.*?)\s*<([^<>]*)>\s*")
# What would break out of a header (RFC 5322 2.2).
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_CURES = {
    Reason.SENDER_NOT_VERIFIED: "See: postroom domain list",
    Reason.UNKNOWN_POOL: "See: postroom pool list",
    Reason.POOL_EMPTY: "See: postroom pool list",
}
_file = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


def _read_mailbox(ctx: click.Context, param: click.Parameter, value: str) -> Mailbox:
    match = _NAMED.fullmatch(value)
    name, text = (match[1].strip('"'), match[2]) if match else ("", value)
    address = read_address(text)
    if address is None or _CONTROL.search(name):
        raise click.BadParameter(f"{value!r} is no mail address", ctx, param)
    return Mailbox(address, name)


def _read_mailboxes(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> list[Mailbox]:
    return [_read_mailbox(ctx, param, one) for one in value]


def _read_subject(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if _CONTROL.search(value):
        raise click.BadParameter("a subject is one line", ctx, param)
    return value


@click.command(
    short_help="Hand in a mail.",
    epilog=example(
        "echo Hello | postroom send --from me@example.com --to you@example.net",
        "--subject Hello --text -",
    ),
)
@click.option(
    "--from", "sender", required=True, callback=_read_mailbox, metavar="ADDRESS"
)
@click.option(
    "--to",
    "recipients",
    required=True,
    multiple=True,
    callback=_read_mailboxes,
    metavar="ADDRESS",
    help="A recipient; can be repeated, and each gets a message of their own.",
)
@click.option("--subject", required=True, callback=_read_subject)
@click.option("--text", help='The text, or "-" to read it from standard input.')
@click.option("--html", type=_file, help="A file with the HTML part.")
@click.option("--pool", default="", help="The pool. Default: the default pool.")
@click.option(
    "--attach", "files", multiple=True, type=_file, help="A file; can be repeated."
)
@click.option("--sub-account", default="", metavar="ID", help="Default: the first.")
@click.option(
    "--dry-run", is_flag=True, help="Show the mail that would leave; store nothing."
)
@common
def send(
    call: Call,
    *,
    sender: Mailbox,
    recipients: list[Mailbox],
    subject: str,
    text: str | None,
    html: Path | None,
    pool: str,
    files: tuple[Path, ...],
    sub_account: str,
    dry_run: bool,
) -> None:
    """Hand in a mail and print its id. It leaves as soon as the server runs.

    With --dry-run: the exact bytes instead, signed, with the check of the signature
    by the DNS, the links, the provider and the earliest moment.
    """
    if text is None and html is None:
        raise click.UsageError("give the mail a body with --text or --html")
    if [text, *map(str, (html, *files))].count(STDIN) > 1:
        raise click.UsageError("standard input can be read only once")
    settings = settings_of(call)
    content = Content(
        sender=sender,
        subject=subject,
        text=_read_text(text, settings.http.max_body),
        html=_decoded(html, settings.http.max_body) if html else None,
        attachments=_attachments(files, settings.intake.max_attachments),
    )
    mails = [Submission(content, (Recipient(one),), pool=pool) for one in recipients]
    if dry_run:
        reports = run(lambda: try_out(call, settings, sub_account, mails))
        show_reports(call, recipients, reports)
        _fail_for(failures(reports), len(mails), "would be")
        return
    verdicts = run(lambda: _hand_in(call, sub_account, mails))
    if call.as_json:
        lines(map(_facts, recipients, verdicts))
    else:
        _show(recipients, verdicts)
    refusals = [one for one in verdicts if isinstance(one, Refusal)]
    _fail_for(refusals, len(mails), "were")


def _fail_for(refusals: Sequence[Refusal | str], mails: int, were: str) -> None:
    """End with status 1 if there are any.

    Raises:
        Failure: there are.
    """
    if refusals:
        first = refusals[0]
        cure = _CURES.get(first.reason, "") if isinstance(first, Refusal) else ""
        raise Failure(f"{len(refusals)} of {mails} {were} refused", cure)


async def _hand_in(
    call: Call, sub_account: str, mails: Sequence[Submission]
) -> list[UUID | Refusal]:
    """For each mail its id or what refuses it."""
    async with open_house(call) as store:
        owner = await pick_sub_account(store, sub_account)
        return await _take(store, owner.id, mails)


async def _take(
    store: "Store", owner: "SubAccountId", mails: Sequence[Submission]
) -> list[UUID | Refusal]:
    from appliance.flow.directory import DirectoryKeeper
    from appliance.flow.intake import Intake
    from appliance.flow.route import Origin

    keeper = await DirectoryKeeper.load(store)
    verdicts = await Intake(store, keeper, time.time_ns).take(Origin(owner), mails)
    return [
        one if isinstance(one, Refusal) else one.refusal or one.message
        for one in verdicts
    ]


def _read_text(text: str | None, most_bytes: int) -> str | None:
    if text != STDIN:
        return text
    return _decoded(Path(STDIN), most_bytes)


def _decoded(path: Path, most_bytes: int) -> str:
    try:
        return _read(path, most_bytes).decode()
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8 text", "Convert it first.") from None


def _attachments(files: Sequence[Path], most_bytes: int) -> tuple[Attachment, ...]:
    left = most_bytes
    attachments = []
    for path in files:
        content = _read(path, left)
        left -= len(content)
        attachments.append(Attachment(path.name, content))
    return tuple(attachments)


def _read(path: Path, most_bytes: int) -> bytes:
    if str(path) == STDIN:
        return _read_stream(sys.stdin.buffer, path, most_bytes)
    try:
        with path.open("rb") as stream:
            return _read_stream(stream, path, most_bytes)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None


def _read_stream(stream: BinaryIO, path: Path, most_bytes: int) -> bytes:
    content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        hint = "The settings intake.max_attachments and http.max_body say how much."
        raise Failure(f"{path} is too large: {most_bytes} bytes are left", hint)
    return content


def _facts(to: Mailbox, verdict: UUID | Refusal) -> dict[str, object]:
    facts: dict[str, object] = {"to": str(to.address)}
    if isinstance(verdict, Refusal):
        return {**facts, "message": None, "refusal": str(verdict)}
    return {**facts, "message": str(verdict), "refusal": None}


def _show(recipients: Sequence[Mailbox], verdicts: Sequence[UUID | Refusal]) -> None:
    rows = (
        (
            one.address,
            f"refused: {verdict}" if isinstance(verdict, Refusal) else verdict,
        )
        for one, verdict in zip(recipients, verdicts, strict=True)
    )
    table(("TO", "MESSAGE"), rows)
    taken = [one for one in verdicts if isinstance(one, UUID)]
    if taken:
        say(f"\nFollow it with: postroom events list --message {plain(taken[0])}")
