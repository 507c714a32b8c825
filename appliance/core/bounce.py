"""Whether a refusal is the address's end or a bad day: hard or soft, and why.

The rules are data (``bounce_rules.toml``, read by ``core/bounce_rules.py``): the
enhanced status speaks first, then the reply code, then the words. A temporary reply
is soft whatever it says, and so is whatever is about the sender, the mail or its
looks, because the address is fine. The text comes from strangers: it is cut, and
searched in time that grows with its length and no faster.
"""

import re
from dataclasses import dataclass

from appliance.core.bounce_rules import Kind, Reason, Rule, plain_words, read_rules

__all__ = ["Kind", "Reason", "Verdict", "classify", "classify_text"]

MAX_TEXT_CHARS = 4096  # eight reply lines of the longest kind (RFC 5321 4.5.3.1.5)
UNMATCHED = "unmatched"

_STATUS = r"[45]\.[0-7]\.[0-9]{1,3}(?![0-9]|\.[0-9])"
_CODE = r"(?<![\w.@#-])[245][0-5][0-9]"
_CODE_AND_STATUS = re.compile(rf"({_CODE})[ -]{{1,2}}#?({_STATUS})", re.ASCII)
_LONE_STATUS = re.compile(rf"(?<![\w.]){_STATUS}", re.ASCII)
_LONE_CODE = re.compile(
    rf"(?:^|said: ?|smtp; ?|[:(;>\"'] ?)({_CODE})(?=[ -]|$)", re.ASCII | re.IGNORECASE
)
_PERMANENT = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a refusal means; ``matched`` is what the rule went by.

    Only a hard one says that this address will never take mail.
    """

    kind: Kind
    reason: Reason
    rule: str
    matched: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A refusal as the rules see it: ``code`` 0 and ``status`` "" are not known."""

    code: int
    status: str
    words: str

    @property
    def may_be_final(self) -> bool:
        """Whether it is permanent, as far as its numbers tell."""
        if self.code:
            return self.code // 100 == _PERMANENT
        return not self.status.startswith("4")


def classify(code: int, enhanced: str, text: str) -> Verdict:
    """The verdict on a reply; 0 and "" are for a code and a status not known.

    What is not known is looked for in the text. A status whose class contradicts the
    code is none (RFC 2034 4).
    """
    text = " ".join(text[:MAX_TEXT_CHARS].split())
    told_code, told_status = _numbers_in(text)
    status = enhanced if _LONE_STATUS.fullmatch(enhanced) else told_status
    if not code and _agree(told_code, status):
        code = told_code
    if code and not _agree(code, status):
        status = ""
    return _judge(_Refusal(code, status, plain_words(text)))


def classify_text(text: str) -> Verdict:
    """The verdict on a refusal told as one text, as logs and bounces tell it."""
    return classify(0, "", text)


def _agree(code: int, status: str) -> bool:
    return str(code)[0] == status[:1] or not status


def _numbers_in(text: str) -> tuple[int, str]:
    """The reply code and the status that a text tells, 0 and "" where it does not."""
    if both := _CODE_AND_STATUS.search(text):
        return int(both[1]), both[2]
    lone = _LONE_CODE.search(text)
    return int(lone[1]) if lone else 0, _status_in(text)


def _status_in(text: str) -> str:
    found = _LONE_STATUS.search(text)
    return found[0] if found else ""


def _judge(refusal: _Refusal) -> Verdict:
    for rule in read_rules().rules:
        if (matched := _match(rule, refusal)) is not None:
            kind = rule.kind if refusal.may_be_final else Kind.SOFT
            return Verdict(kind, rule.reason, rule.name, matched)
    return Verdict(Kind.SOFT, Reason.UNKNOWN, UNMATCHED, "")


def _match(rule: Rule, refusal: _Refusal) -> str | None:
    """What of the refusal fits all that the rule asks for, None if it does not fit."""
    parts = []
    if rule.status or rule.subjects:
        if not (status := rule.status_of(refusal.status)):
            return None
        parts.append(status)
    if rule.code:
        if not (code := rule.code_of(refusal.code)):
            return None
        parts.append(code)
    if rule.words:
        if not (phrase := rule.phrase_in(refusal.words)):
            return None
        parts.append(f'"{phrase}"')
    return " ".join(parts)
