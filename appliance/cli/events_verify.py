"""`postroom events verify`: whether the log is whole."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from appliance.cli.common import Call, Failure, common, example, run
from appliance.cli.data import open_house
from appliance.cli.show import line, note, say

if TYPE_CHECKING:  # the store takes 0.2 s to import, and --help needs none
    from appliance.store.chain_check import Fault, Stand

PAGE = 2_000
SHOWN = 20  # faults; all are counted
_STEP = 100_000  # events between two words of progress


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of the log, and the first of what is wrong before it."""

    stand: "Stand"
    shown: "tuple[Fault, ...]"
    faults: int


@click.command(
    short_help="Check that no event is missing or changed.",
    epilog=example("postroom events verify"),
)
@common
def verify(call: Call) -> None:
    """Check that no event is missing or changed.

    Each event carries the hash of the one before it. What was pruned is no gap. Note
    the last number and hash elsewhere: whoever can write the database could make a
    whole new log, and not the same hash.
    """
    verdict = run(lambda: _verify(call, _progress(call)))
    stand = verdict.stand
    if call.as_json:
        line(_facts(verdict))
    else:
        _tell(verdict)
    if verdict.faults:
        raise Failure(f"the log is not whole: {verdict.faults} faults")
    if not call.as_json:
        say(f"The log is whole. The last hash, of {stand.number}: {stand.before.hex()}")


async def _verify(call: Call, tell: Callable[[int], None]) -> Verdict:
    from appliance.store.chain_check import Stand, check_chain

    stand, count = Stand(), 0
    shown: tuple[Fault, ...] = ()
    async with open_house(call) as store:
        while True:
            stand = await store.read(check_chain, stand, PAGE)
            count += len(stand.faults)
            shown = (*shown, *stand.faults)[:SHOWN]
            tell(stand.checked)
            if stand.done:
                return Verdict(stand, shown, count)


def _tell(verdict: Verdict) -> None:
    stand = verdict.stand
    say(f"{stand.checked} events checked, up to number {stand.number}")
    if stand.forgotten:
        say(f"{stand.forgotten} numbers were forgotten, as the settings say")
    if stand.unchained:
        say(f"{stand.unchained} events are from before there were hashes")
    for one in verdict.shown:
        numbers = str(one.first) if one.first == one.last else f"{one.first}-{one.last}"
        say(f"{one.kind.value}: {numbers}")
    if verdict.faults > len(verdict.shown):
        say(f"and {verdict.faults - len(verdict.shown)} more")


def _facts(verdict: Verdict) -> dict[str, object]:
    stand = verdict.stand
    return {
        "whole": not verdict.faults,
        "checked": stand.checked,
        "forgotten": stand.forgotten,
        "unchained": stand.unchained,
        "last": stand.number,
        "hash": stand.before.hex(),
        "faults": verdict.faults,
        "shown": [
            {"kind": one.kind.value, "first": one.first, "last": one.last}
            for one in verdict.shown
        ],
    }


def _progress(call: Call) -> Callable[[int], None]:
    """Tells a person at a terminal how far it is."""
    told = 0

    def tell(checked: int) -> None:
        nonlocal told
        if checked - told >= _STEP and sys.stderr.isatty() and not call.as_json:
            told = checked
            note(f"{checked} events checked")

    return tell
