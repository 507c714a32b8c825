"""Is what a sender domain must publish really in the DNS?

Compares each record with what is found, in the words of the person who has to
mend it. The look-up itself is the resolver's; the result is written by the
store.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from appliance.core.domain import Look, Purpose, Record, SenderDomain, Stage
from appliance.net.dns import Found, Trouble

MAX_SHOWN = 300  # characters of a found value in a failure text

# Tags of a key record: what one that is not there means, and which values let our
# signatures be (RFC 6376 3.6.1); its kind is the key's own.
_TAGS = (
    ("v", "DKIM1", {"DKIM1"}),
    ("h", "sha256", {"sha256"}),
    ("s", "*", {"*", "email"}),
)


class Lookup(Protocol):
    """What verification needs of a resolver."""

    async def lookup(self, name: str, kind: str) -> Found:
        """What is published under a name."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One record after a look, with everything that was found in its place."""

    record: Record
    look: Look
    found: tuple[str, ...]


async def verify(
    resolver: Lookup, domain: SenderDomain, now_ns: int, timeout_seconds: float
) -> tuple[Finding, ...]:
    """A finding for each record that is to be published, looked up side by side.

    Those of retired keys are only kept; whether they are there matters no more.
    """
    records = domain.at(Stage.ACTIVE) + domain.at(Stage.NEXT)
    return await look_up(resolver, records, now_ns, timeout_seconds)


async def look_up(
    resolver: Lookup, records: Sequence[Record], now_ns: int, timeout_seconds: float
) -> tuple[Finding, ...]:
    """A finding for each record; all look-ups are under way at the same time."""
    findings: dict[int, Finding] = {}

    async def look(number: int, record: Record) -> None:
        found = Found(trouble=Trouble.NO_ANSWER)
        with trio.move_on_after(timeout_seconds):
            found = await resolver.lookup(record.host, record.type)
        findings[number] = judge(record, found, now_ns)

    async with trio.open_nursery() as nursery:
        for number, record in enumerate(records):
            nursery.start_soon(look, number, record)
    return tuple(findings[number] for number in range(len(records)))


def judge(record: Record, found: Found, now_ns: int) -> Finding:
    """The record as it is known after this look; a failure says what was found.

    A resolver that does not answer proves nothing and disproves nothing: what
    was known before stays known. So does the operator's own word.
    """
    answered = found.trouble is not Trouble.NO_ANSWER
    failure = _failure(record, found)
    look = Look(record.purpose, record.selector, now_ns, failure, answered)
    return Finding(record.after(look), look, found.values)


def _failure(record: Record, found: Found) -> str:
    if found.trouble is not None:
        return f"{record.host} {record.type}: {found.trouble.value}"
    faults = [_fault(record, value) for value in found.values]
    if "" in faults:
        return ""
    shown = "; ".join(found.values)[:MAX_SHOWN]
    why = faults[0] if len(faults) == 1 else "none of them is it"
    return f"{record.host} {record.type} is {shown!r}, not the value to publish: {why}"


def _fault(record: Record, value: str) -> str:
    """Why a value does not serve the purpose of the record, "" if it does."""
    match record.purpose:
        case Purpose.DKIM | Purpose.DKIM_ED25519:
            return _key_fault(record, value)
        case Purpose.DMARC:
            found = re.match(r"v\s*=\s*DMARC1\s*(;|$)", value)
            return "" if found else "it is no DMARC policy"
        case Purpose.RETURN_PATH | Purpose.TRACKING:
            fits = value == record.value.rstrip(".").lower()
            return "" if fits else "it is another host"


def _key_fault(record: Record, value: str) -> str:
    """Why receivers would not find our key in a record (RFC 6376 3.6.1), or ""."""
    key = _tag(value, "p")
    if key is None:
        return "it is no DKIM key"
    if not key:
        return "it says that the key was revoked"
    if key != _tag(record.value, "p"):
        return "it holds another key"
    kind = ("k", "rsa", {_tag(record.value, "k") or "rsa"})
    for name, default, fitting in (*_TAGS, kind):
        found = _tag(value, name)
        said = default if found is None else found
        if not fitting.intersection(said.split(":")):
            return f"with {name}={said[:20]} our signatures are void"
    return ""


def _tag(text: str, name: str) -> str | None:
    """A tag of a DKIM key record without white space (RFC 6376 3.2).

    None if it is not there, or more than once, which makes the record void.
    """
    tags = (part.partition("=") for part in text.split(";"))
    values = [v for n, _, v in tags if n.strip() == name]
    return re.sub(r"\s", "", values[0]) if len(values) == 1 else None
