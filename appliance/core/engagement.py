"""Who made an open or a click: a person, or which kind of program; and why we say so.

An open pixel tells that something fetched it, no more. What is known speaks in this
order: who it says it is, where it comes from, what it says it does, how many links of
one mail it follows at once, and how soon. A person is whom nothing of that betrays; so
"human" is never more than "no sign of a machine".
"""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

# Nobody reads a mail and acts so soon after our upstream has taken it, which still
# has to hand it on; programs that look at a mail before its mailbox do.
TOO_SOON_NS = 2_000_000_000
CACHED = 4_096

Network: TypeAlias = IPv4Network | IPv6Network


class Verdict(Enum):
    """Who made a hit; the values are what events show."""

    HUMAN = "human"
    PROXY = "proxy"
    PREFETCH = "prefetch"
    SCANNER = "scanner"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what it rests on."""

    verdict: Verdict
    reason: str

    @property
    def human(self) -> bool:
        """True if nothing speaks against a person."""
        return self.verdict is Verdict.HUMAN


NO_SIGN = Judgement(Verdict.HUMAN, "no sign of a machine")
NO_AGENT = Judgement(Verdict.SCANNER, "no user agent")
ANNOUNCED = Judgement(Verdict.PREFETCH, "header: it says that it fetches ahead")
BURST = Judgement(Verdict.SCANNER, "burst: several links of one mail at once")
HASTY_CLICK = Judgement(Verdict.SCANNER, "time: no later than 2 s after sending")
HASTY_OPEN = Judgement(Verdict.PREFETCH, "time: no later than 2 s after sending")


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a mail was opened and its links followed, in all and by people."""

    opens: int = 0
    human_opens: int = 0
    clicks: int = 0
    human_clicks: int = 0


@dataclass(frozen=True, slots=True)
class AgentRule:
    """One kind of visitor that its user agent tells."""

    words: tuple[str, ...]
    exact: tuple[str, ...]
    judgement: Judgement

    def fits(self, agent: str) -> bool:
        """True if ``agent``, in small letters, is of this kind."""
        return agent in self.exact or any(word in agent for word in self.words)


@dataclass(frozen=True, slots=True)
class NetworkRule:
    """One owner's networks."""

    prefixes: tuple[Network, ...]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Rules:
    """The rule file: its version, and its rules in the order in which they speak."""

    version: int
    agents: tuple[AgentRule, ...]
    networks: tuple[NetworkRule, ...]


def judge_visitor(
    agent: str, ip: str, *, announced: bool = False, burst: bool = False
) -> Judgement:
    """What is to be said of a visitor, but for how soon it came.

    ``announced``: it sent a header which says that it fetches ahead. ``burst``: it
    follows several links of the mail at once.
    """
    said = _of_agent(agent)
    if said.human:
        said = _of_network(ip)
    if said.human and announced:
        return ANNOUNCED
    return BURST if said.human and burst else said


def judge_moment(
    said: Judgement, since_sent_ns: int | None, *, is_click: bool
) -> Judgement:
    """The same in the light of how long ago the mail left, as far as that is known."""
    if not said.human or since_sent_ns is None or since_sent_ns >= TOO_SOON_NS:
        return said
    return HASTY_CLICK if is_click else HASTY_OPEN


@functools.cache
def read_rules() -> Rules:
    """The rules that this program came with."""
    file = files("appliance.core") / "engagement_rules.toml"
    return parse_rules(file.read_text(encoding="utf-8"))


def parse_rules(text: str) -> Rules:
    """The rules that are written in ``text``.

    Raises:
        KeyError, ValueError: it is no rule file, or one of an unknown verdict.
    """
    table = tomllib.loads(text)
    return Rules(
        int(table["version"]),
        tuple(map(_agent_rule, table["agent"])),
        tuple(map(_network_rule, table["network"])),
    )


@functools.lru_cache(CACHED)
def _of_agent(agent: str) -> Judgement:
    plain = agent.strip().lower()
    if not plain:
        return NO_AGENT
    for rule in read_rules().agents:
        if rule.fits(plain):
            return rule.judgement
    return NO_SIGN


@functools.lru_cache(CACHED)
def _of_network(ip: str) -> Judgement:
    try:
        address = ip_address(ip)
    except ValueError:  # a Unix socket, or nothing
        return NO_SIGN
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    for rule in read_rules().networks:
        if any(address in prefix for prefix in rule.prefixes):
            return rule.judgement
    return NO_SIGN


def _agent_rule(row: Mapping[str, Any]) -> AgentRule:
    _check(row, {"name", "words", "exact", "verdict"})
    return AgentRule(
        tuple(row.get("words", ())), tuple(row.get("exact", ())), _said("agent", row)
    )


def _network_rule(row: Mapping[str, Any]) -> NetworkRule:
    _check(row, {"name", "prefixes", "verdict"})
    return NetworkRule(tuple(map(ip_network, row["prefixes"])), _said("network", row))


def _said(by: str, row: Mapping[str, Any]) -> Judgement:
    return Judgement(Verdict(row["verdict"]), f"{by}: {row['name']}")


def _check(row: Mapping[str, Any], known: set[str]) -> None:
    if unknown := row.keys() - known:
        raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
