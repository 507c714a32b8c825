"""Is what a sender domain must publish really in the DNS?

Compares each record with what is found, in the words of the person who has to
mend it. The look-up itself is the resolver's; the result is written by the
store.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import trio

from appliance.core.domain import Proof, Purpose, Record, SenderDomain
from appliance.net.dns import Found, Trouble

MAX_SHOWN = 300  # characters of a found value in a failure text


class Lookup(Protocol):
    """What verification needs of a resolver."""

    async def lookup(self, name: str, kind: str) -> Found:
        """What is published under a name."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One record after a look-up, with everything that was found in its place."""

    record: Record
    found: tuple[str, ...]


async def verify(
    resolver: Lookup, domain: SenderDomain, now_ns: int, timeout_seconds: float
) -> tuple[Finding, ...]:
    """A finding for each of the domain's records, looked up side by side."""
    findings: dict[Purpose, Finding] = {}

    async def look(record: Record) -> None:
        found = Found(trouble=Trouble.NO_ANSWER)
        with trio.move_on_after(timeout_seconds):
            found = await resolver.lookup(record.host, record.type)
        findings[record.purpose] = judge(record, found, now_ns)

    async with trio.open_nursery() as nursery:
        for record in domain.records:
            nursery.start_soon(look, record)
    return tuple(findings[record.purpose] for record in domain.records)


def judge(record: Record, found: Found, now_ns: int) -> Finding:
    """The record with its new proof; a failure says what was found instead.

    A resolver that does not answer proves nothing and disproves nothing: what
    was known before stays known. So does the operator's own word.
    """
    failure = _failure(record, found)
    if not failure:
        proof = Proof.DNS
    elif record.proof is Proof.OPERATOR or found.trouble is Trouble.NO_ANSWER:
        proof = record.proof
    else:
        proof = Proof.NONE
    judged = replace(record, proof=proof, checked_ns=now_ns, failure=failure)
    return Finding(judged, found.values)


def _failure(record: Record, found: Found) -> str:
    if found.trouble is not None:
        return f"{record.host} {record.type}: {found.trouble.value}"
    if any(_fits(record, value) for value in found.values):
        return ""
    shown = "; ".join(found.values)[:MAX_SHOWN]
    return f"{record.host} {record.type} is {shown!r}, not the value to publish"


def _fits(record: Record, value: str) -> bool:
    match record.purpose:
        case Purpose.DKIM | Purpose.DKIM_ED25519:
            return _tag(value, "p") == _tag(record.value, "p")
        case Purpose.DMARC:
            return re.match(r"v\s*=\s*DMARC1\s*(;|$)", value) is not None
        case Purpose.RETURN_PATH | Purpose.TRACKING:
            return value == record.value.rstrip(".").lower()


def _tag(text: str, name: str) -> str:
    """A tag of a DKIM key record without white space (RFC 6376 3.2), or ""."""
    tags = (part.partition("=") for part in text.split(";"))
    values: Sequence[str] = [v for n, _, v in tags if n.strip() == name]
    return re.sub(r"\s", "", values[0]) if len(values) == 1 else ""
