"""What a webhook says of a visitor's program, system and device (spec 9.4).

The two spellings differ in the first letters of their keys; who asked for neither
gets both. Of where a visitor is nothing is told: an address does not say it.
"""

from collections.abc import Iterator, Mapping

from appliance.core.event import Scalar

HYBRID, V1, LEGACY = "hybrid", "v1", "legacy"
_AGENT = ("Major", "Minor", "Patch")
_SYSTEM = (*_AGENT, "PatchMinor")
_Data = Mapping[str, Scalar]


def agent_facts(data: _Data, form: str) -> dict[str, object]:
    """The three objects; a word that the user agent does not say is empty."""
    return {
        "userAgent": _spelt(_named(data, "agent", _AGENT), form),
        "os": _spelt(_named(data, "os", _SYSTEM), form),
        "device": _spelt(_named(data, "device", ()), form),
    }


def _named(data: _Data, what: str, parts: tuple[str, ...]) -> dict[str, str]:
    numbers = str(data.get(f"{what}Version", "")).split(".")
    numbers += [""] * len(parts)
    family = str(data.get(f"{what}Family", ""))
    return {"Family": family, **dict(zip(parts, numbers, strict=False))}


def _spelt(facts: Mapping[str, str], form: str) -> dict[str, str]:
    return dict(_pairs(facts, form))


def _pairs(facts: Mapping[str, str], form: str) -> Iterator[tuple[str, str]]:
    for name, fact in facts.items():
        if form != LEGACY:
            yield name[:1].lower() + name[1:], fact
        if form != V1:
            yield name, fact
