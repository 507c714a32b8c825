"""The rules by which a refusal is hard or soft, as ``bounce_rules.toml`` has them.

The first rule that fits decides. A rule fits if all that it asks for is there: one
of its statuses, one of its codes, one of its phrases.
"""

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from typing import Any

_NO_LETTERS = re.compile(r"[\W_]+")
# As Exim and others name the host that spoke: `host mx.example.com [192.0.2.1]`.
_HOST = re.compile(r"host [^\s\[]{1,255} ?\[[^\]\s]{1,64}\]")


class Kind(Enum):
    """Whether the address is at its end, or this mail is."""

    HARD = "hard"
    SOFT = "soft"


class Reason(Enum):
    """Why a mail was not taken."""

    USER_UNKNOWN = "user_unknown"
    MAILBOX_DISABLED = "mailbox_disabled"
    INVALID_ADDRESS = "invalid_address"
    DOMAIN_UNKNOWN = "domain_unknown"
    MAILBOX_FULL = "mailbox_full"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    GREYLISTED = "greylisted"
    BLOCKED = "blocked"
    SPAM = "spam"
    CONTENT = "content"
    AUTHENTICATION = "authentication"
    SENDER_REFUSED = "sender_refused"
    RELAYING_DENIED = "relaying_denied"
    POLICY = "policy"
    LOOP = "loop"
    NETWORK = "network"
    EXPIRED = "expired"
    SERVER = "server"
    PROTOCOL = "protocol"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; what it does not ask for is empty.

    Statuses are without their class (``.1.1``), subjects too (``.7.``), codes are
    prefixes (``552``, ``5``), phrases are words as ``plain_words`` makes them.
    """

    name: str
    kind: Kind
    reason: Reason
    status: tuple[str, ...]
    subjects: tuple[str, ...]
    code: tuple[str, ...]
    words: tuple[str, ...]

    def status_of(self, status: str) -> str:
        """``status`` if it is one of the rule's, else ""."""
        tail = status[1:]
        return status if tail in self.status or tail.startswith(self.subjects) else ""

    def code_of(self, code: int) -> str:
        """``code`` as text if it is one of the rule's, else ""."""
        text = str(code)
        return text if text.startswith(self.code) else ""

    def phrase_in(self, words: str) -> str:
        """The first of the rule's phrases that stands in ``words``, else ""."""
        for phrase in self.words:
            if phrase in words:
                return phrase.strip()
        return ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rule file: its version, and its rules in the order in which they speak."""

    version: int
    rules: tuple[Rule, ...]


@functools.cache
def read_rules() -> Rules:
    """The rules that this program came with."""
    file = files("appliance.core") / "bounce_rules.toml"
    return parse_rules(file.read_text(encoding="utf-8"))


def parse_rules(text: str) -> Rules:
    """The rules that are written in ``text``.

    Raises:
        KeyError, ValueError: it is no rule file, or one of an unknown kind or reason.
    """
    table = tomllib.loads(text)
    return Rules(int(table["version"]), tuple(map(_rule, table["rule"])))


def plain_words(text: str) -> str:
    """The words of a text, small, between single blanks; addresses are left out.

    A recipient called ``policy@example.com`` shall not word its own refusal, nor a
    host called ``spam.example.com[192.0.2.1]`` that of another.
    """
    kept = map(_without_name, _HOST.sub(" ", text.lower()).split())
    return f" {_NO_LETTERS.sub(' ', ' '.join(kept)).strip()} "


def _without_name(word: str) -> str:
    """A word without an address in it; ``(bob@example.com:blocked)`` is "blocked)"."""
    _, at, behind = word.rpartition("@")
    if at:
        return behind.partition(":")[2]
    return "" if "[" in word[1:] else word


def _rule(row: Mapping[str, Any]) -> Rule:
    if unknown := row.keys() - {"name", "kind", "reason", "status", "code", "words"}:
        raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
    statuses = [_status(one) for one in row.get("status", ())]
    return Rule(
        name=row["name"],
        kind=Kind(row["kind"]),
        reason=Reason(row["reason"]),
        status=tuple(one for one in statuses if one[-1] != "."),
        subjects=tuple(one for one in statuses if one[-1] == "."),
        code=tuple(one.rstrip("x") for one in row.get("code", ())),
        words=tuple(map(_phrase, row.get("words", ()))),
    )


def _status(text: str) -> str:
    """``X.7.*`` without its class and star; the prefix keeps its last dot."""
    if not text.startswith("X."):
        raise ValueError(f"{text!r} is not written as in X.1.1 or X.7.*")
    return text[1:].rstrip("*")


def _phrase(text: str) -> str:
    """A phrase as it stands in ``plain_words``, from the beginning of a word.

    ``greylist`` is in "greylisted"; a phrase that ends in a dot ends with its word.
    """
    words = plain_words(text)
    return words if text.endswith(".") else words.rstrip()
