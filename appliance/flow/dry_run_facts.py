"""How we tell what would become of a mail: one JSON object, everywhere alike."""

import base64
from dataclasses import asdict

from appliance.core.refusal import Refusal
from appliance.flow.dry_run import Report, Trial
from appliance.flow.facts import moment


def report_facts(to: str, report: Report | Refusal) -> dict[str, object]:
    """What is told of one entry of ``to``, by the address as it was given."""
    if isinstance(report, Refusal):
        return {
            "to": to,
            "refusal": str(report),
            "pool": "",
            "deliveries": [],
            "leftOut": 0,
        }
    return {
        "to": to,
        "refusal": None,
        "pool": report.pool,
        "deliveries": [_trial_facts(one) for one in report.trials],
        "leftOut": report.left_out,
    }


def _trial_facts(trial: Trial) -> dict[str, object]:
    mail = trial.mail
    facts: dict[str, object] = {
        "to": trial.recipient,
        "role": trial.role.name.lower(),
        "dropped": trial.dropped,
    }
    if mail is None:
        return facts
    links = [{"original": old, "rewritten": new} for old, new in mail.links]
    return {
        **facts,
        "provider": trial.provider,
        "draw": trial.draw,
        "due": moment(trial.due_ns),
        "waitsFor": trial.waits_for,
        "envelopeSender": mail.sender,
        "dkim": [{**asdict(one), "valid": one.valid} for one in trial.signatures],
        "links": links,
        "size": len(mail.content),
        "raw": base64.b64encode(mail.content).decode(),
    }
