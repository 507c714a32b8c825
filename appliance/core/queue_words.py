"""Reads a filter of the queue from the words of a query, a body or a command."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from appliance.core.address import is_domain
from appliance.core.delivery import State
from appliance.core.ids import SubAccountId, parse_uuid
from appliance.core.queue import EVERYTHING, UNFINISHED, QueueFilter

MAX_WORD_CHARS = 300
_MAX_SHOWN = 50
_NUMBER = re.compile(r"[0-9]{1,15}")
_AGE = re.compile(r"(\d{1,7})([smhd]?)")
_SECONDS = {"s": 1, "": 1, "m": 60, "h": 3600, "d": 86400}
_SECOND_NS = 1_000_000_000
_STATES = {state.name.lower(): state for state in State if state in UNFINISHED}


@dataclass(frozen=True, slots=True)
class WrongWord:
    """A word that is no filter: its name, and what is wrong in a sentence."""

    name: str
    message: str


def state_word(state: State) -> str:
    """How a state is spelt in filters and answers."""
    return state.name.lower()


def read_filter(words: Mapping[str, str], now_ns: int) -> QueueFilter | WrongWord:
    """The filter that these words spell, or the first that is wrong.

    An empty word is wrong: it is a value that got lost, and must not mean all.
    """
    wanted = EVERYTHING
    for name, text in words.items():
        reader = _READERS.get(name)
        if reader is None:
            return WrongWord(name, f"there is no filter {name[:_MAX_SHOWN]!r}")
        try:
            wanted = reader(wanted, _bounded(text), now_ns)
        except ValueError:
            wrong = f"{name} cannot be {text[:_MAX_SHOWN]!r}; {EXPECTED[name]}"
            return WrongWord(name, wrong)
    return wanted


EXPECTED: Mapping[str, str] = {
    "state": f"that is one or more of {', '.join(_STATES)}",
    "provider": "that is a provider's name, or - for none drawn yet",
    "pool": "that is a pool's name",
    "domain": "that is a domain in ASCII, such as example.com",
    "senderDomain": "that is a domain in ASCII, such as example.com",
    "reason": "that is a part of the reason",
    "message": "that is a message's id",
    "delivery": "that is a delivery's id",
    "olderThan": "that is an age such as 90s, 10m, 2h or 1d",
    "subAccount": "that is a sub-account's number",
}
Reader = Callable[[QueueFilter, str, int], QueueFilter]


def _bounded(text: str) -> str:
    if not 0 < len(text) <= MAX_WORD_CHARS:
        raise ValueError(text)
    return text


def _state(wanted: QueueFilter, text: str, _: int) -> QueueFilter:
    names = text.split(",")
    if not _STATES.keys() >= set(names):
        raise ValueError(text)
    return replace(wanted, states=frozenset(_STATES[name] for name in names))


def _domain(text: str) -> str:
    name = text.lower().rstrip(".")
    if not is_domain(name):
        raise ValueError(text)
    return name


def _message(wanted: QueueFilter, text: str, _: int) -> QueueFilter:
    uuid = parse_uuid(text)
    if uuid is None:
        raise ValueError(text)
    return replace(wanted, message=uuid)


def _delivery(wanted: QueueFilter, text: str, _: int) -> QueueFilter:
    uuid = parse_uuid(text)
    if uuid is None:
        raise ValueError(text)
    return replace(wanted, delivery=uuid)


def _older_than(wanted: QueueFilter, text: str, now_ns: int) -> QueueFilter:
    match = _AGE.fullmatch(text)
    if match is None or not text.isascii():
        raise ValueError(text)
    age_s = int(match[1]) * _SECONDS[match[2]]
    # Nothing came in before 1970, and SQLite counts no further than a few centuries.
    return replace(wanted, before_ns=max(0, now_ns - age_s * _SECOND_NS))


def _sub_account(wanted: QueueFilter, text: str, _: int) -> QueueFilter:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return replace(wanted, sub_account=SubAccountId(int(text)))


_READERS: Mapping[str, Reader] = {
    "state": _state,
    "provider": lambda wanted, text, _: replace(wanted, provider=text),
    "pool": lambda wanted, text, _: replace(wanted, pool=text),
    "domain": lambda wanted, text, _: replace(wanted, domain=_domain(text)),
    "senderDomain": lambda wanted, text, _: replace(
        wanted, sender_domain=_domain(text)
    ),
    "reason": lambda wanted, text, _: replace(wanted, reason=text),
    "message": _message,
    "delivery": _delivery,
    "olderThan": _older_than,
    "subAccount": _sub_account,
}
