"""The words of `postroom queue`: its filters as options, and how answers look."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ParamSpec

import click

from appliance.cli.common import Call
from appliance.cli.show import line, lines, note, say, table
from appliance.core.queue import Act, QueueFilter, Tally, Waiting
from appliance.core.queue_words import WrongWord, read_filter, state_word

PROGRESS_SECONDS = 1.0
MAX_REASON_CHARS = 60

# Option, name of the filter, what stands for its value, help.
_OPTIONS = (
    ("--state", "state", "STATE", "queued, in_flight, held or in_doubt; with commas."),
    ("--provider", "provider", "NAME", "Of this provider; - for none drawn yet."),
    ("--pool", "pool", "NAME", "In this pool."),
    ("--domain", "domain", "DOMAIN", "To recipients at this domain."),
    ("--sender-domain", "senderDomain", "DOMAIN", "From senders at this domain."),
    ("--reason", "reason", "TEXT", "With this text in the reason why it waits."),
    ("--message", "message", "ID", "All copies of this message."),
    ("--delivery", "delivery", "ID", "This one copy."),
    ("--older-than", "olderThan", "AGE", "Taken in longer ago, such as 2h."),
    ("--sub-account", "subAccount", "ID", "Of the sub-account with this number."),
)
_DONE: Mapping[Act, str] = MappingProxyType(
    {
        Act.HOLD: "held",
        Act.RELEASE: "released",
        Act.RETRY: "due now",
        Act.DROP: "dropped",
        Act.MOVE: "moved",
    }
)

Params = ParamSpec("Params")


def filters(
    function: Callable[Params, None],
) -> Callable[Params, None]:
    """Give a command the filters as options, and hand it the ``QueueFilter``."""

    @functools.wraps(function)
    def command(*args: Params.args, **kwargs: Params.kwargs) -> None:
        words = {
            name: str(text)
            for _, name, *_ in _OPTIONS
            if (text := kwargs.pop(name, None)) is not None
        }
        kwargs["wanted"] = _read(words)
        function(*args, **kwargs)

    for option, name, metavar, help_ in reversed(_OPTIONS):
        click.option(option, name, metavar=metavar, help=help_)(command)
    return command


def _read(words: Mapping[str, str]) -> QueueFilter:
    wanted = read_filter(words, time.time_ns())
    if isinstance(wanted, WrongWord):
        option = next(one for one, name, *_ in _OPTIONS if name == wanted.name)
        _, _, wrong = wanted.message.partition(" ")
        raise click.BadParameter(f"it {wrong}", param_hint=option)
    return wanted


def show(call: Call, found: Sequence[Waiting]) -> None:
    """Print deliveries, one on a line."""
    from appliance.flow.facts import waiting_facts

    if call.as_json:
        lines(map(waiting_facts, found))
    elif found:
        headings = ("NUMBER", "DELIVERY", "STATE", "DUE", "TRIES", "TO", "VIA", "WHY")
        table(headings, map(_row, found))
    else:
        note("Nothing waits.")


def _row(one: Waiting) -> tuple[object, ...]:
    from appliance.flow.facts import moment

    due = "-" if one.due_ns is None else moment(one.due_ns)
    via = f"{one.pool or '-'}/{one.provider or '-'}"
    why = (one.waits_for or one.last_text)[:MAX_REASON_CHARS] or "-"
    if one.waits_until_ns is not None:
        why += f" until {moment(one.waits_until_ns)}"
    state = state_word(one.state)
    return one.number, one.uuid, state, due, one.attempts, one.recipient, via, why


class Progress:
    """Says on standard error how far a long act is, once a second."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self._next = time.monotonic() + PROGRESS_SECONDS

    def __call__(self, tally: Tally) -> None:
        """Say it, if it is time to."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_SECONDS
            note(f"{tally.changed} {_DONE[self._act]} so far")


def say_done(call: Call, act: Act, tally: Tally) -> None:
    """Print what came of an act."""
    from appliance.flow.facts import tally_facts

    if call.as_json:
        line({"act": act.value, **tally_facts(tally)})
        return
    say(f"{tally.changed} {_DONE[act]}.")
    if tally.in_flight:
        say(f"{tally.in_flight} left alone: in flight.")
    if tally.unchanged:
        say(f"{tally.unchanged} left as they are: nothing to do for them.")
