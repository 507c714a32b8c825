"""`postroom classify`: shows whether a refusal is hard or soft, and by which rule."""

import click

from appliance.cli.common import Call, common, example
from appliance.cli.show import line, pairs
from appliance.core.bounce import classify_text
from appliance.core.bounce_rules import read_rules


@click.command(
    short_help="Tell whether a refusal is hard or soft.",
    epilog=example('postroom classify "550 5.1.1 <bob@example.org>: User unknown"'),
)
@click.argument("text", metavar="REPLY", nargs=-1, required=True)
@common
def classify(call: Call, *, text: tuple[str, ...]) -> None:
    """Show how a server's REPLY, or a line of a log or a bounce, is understood.

    A hard one says that the address will never take mail, and suppresses it; a soft
    one is about this mail, its sender or its time. The rule that says so is shown,
    with what in the reply it went by. Nothing is read from the data folder.
    """
    verdict = classify_text(" ".join(text))
    facts: dict[str, object] = {
        "kind": verdict.kind.value,
        "reason": verdict.reason.value,
        "rule": verdict.rule,
        "matched": verdict.matched,
        "rules_version": read_rules().version,
    }
    if call.as_json:
        line(facts)
    else:
        pairs(facts)
