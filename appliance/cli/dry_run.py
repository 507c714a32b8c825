"""`postroom send --dry-run`: what would become of a mail, shown and not stored."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.cli.common import Call
from appliance.cli.data import open_house, pick_sub_account
from appliance.cli.show import lines, pairs, say
from appliance.core.address import Mailbox
from appliance.core.refusal import Refusal
from appliance.core.submission import Submission
from appliance.settings import Settings

if TYPE_CHECKING:  # flow and edge take 0.5 s to import, and --help needs none
    from appliance.flow.dry_run import DryRun, Report, Trial
    from appliance.store.database import Store


async def try_out(
    call: Call, settings: Settings, sub_account: str, mails: Sequence[Submission]
) -> "list[Report | Refusal]":
    """What would become of each mail."""
    from appliance.flow.route import Origin

    async with open_house(call) as store:
        owner = await pick_sub_account(store, sub_account)
        desk = await _desk(call, settings, store)
        return await desk.run(Origin(owner.id), mails)


def show_reports(
    call: Call, recipients: Sequence[Mailbox], reports: "Sequence[Report | Refusal]"
) -> None:
    """Print them: as JSON one on a line, for people with the mail below."""
    from appliance.flow.dry_run_facts import report_facts

    if call.as_json:
        entries = (str(one.address) for one in recipients)
        lines(map(report_facts, entries, reports))
        return
    for recipient, report in zip(recipients, reports, strict=True):
        if isinstance(report, Refusal):
            pairs({"To": recipient.address, "Refused": report})
        else:
            for trial in report.trials:
                _show(report.pool, trial)
        say("")


def failures(reports: "Sequence[Report | Refusal]") -> list[Refusal | str]:
    """Why mails would not be sent."""
    found: list[Refusal | str] = []
    for report in reports:
        if isinstance(report, Refusal):
            found.append(report)
        else:
            found += [one.dropped for one in report.trials if one.dropped]
    return found


def _show(pool: str, trial: "Trial") -> None:
    from appliance.flow.facts import moment

    if trial.mail is None:
        pairs({"To": trial.recipient, "Dropped": trial.dropped})
        return
    facts: dict[str, object] = {
        "To": trial.recipient,
        "Envelope sender": trial.mail.sender,
        "Pool": pool,
        "Provider": f"{trial.provider} ({trial.draw})",
        "Earliest": moment(trial.due_ns),
        "Waits for": trial.waits_for or "nothing",
        "Size": f"{len(trial.mail.content)} bytes",
    }
    pairs(facts)
    for one in trial.signatures:
        say(f"DKIM {one.record}: {one.fault or 'verified'}")
    for original, rewritten in trial.mail.links:
        say(f"Link {original}\n  -> {rewritten}")
    say("")
    say(trial.mail.content.decode("utf-8", "replace").replace("\r\n", "\n"))


async def _desk(call: Call, settings: Settings, store: "Store") -> "DryRun":
    from appliance.core.token import TokenMaker
    from appliance.edge.assembly import TOKENS, derived, make_dry_run, make_workshop
    from appliance.flow.directory import DirectoryKeeper
    from appliance.flow.intake import Intake
    from appliance.flow.setup import DataFolder

    directory = await DirectoryKeeper.load(store)
    tokens = TokenMaker(derived(DataFolder(call.data).read_secret(), TOKENS))
    workshop = make_workshop(store, directory, tokens, settings)
    workshop.public_url = _public_url(call, settings)
    intake = Intake(store, directory, time.time_ns)
    return make_dry_run(store, directory, intake, workshop, settings)


def _public_url(call: Call, settings: Settings) -> str:
    """Where links would lead: to the server that runs, if nothing else is set."""
    from appliance.cli.running import find_running

    if settings.http.public_url:
        return settings.http.public_url
    running = find_running(call.data)
    http = running.addresses.get("http", "") if running else ""
    return f"http://{http or settings.public_host}"
