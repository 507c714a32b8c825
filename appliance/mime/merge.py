"""Placeholders: ``{{name}}`` in what a sender wrote, and a recipient's values.

``{{name}}`` and the Go form ``{{.name}}`` take the value, escaped where it goes
into HTML; ``{{{name}}}`` takes it as it is. Blanks inside the braces do not
count. A name is looked up as it is spelled, then without regard to case (the
Go form writes ``.Name`` for ``name``); a missing one leaves nothing behind.
``unsubscribe`` is reserved for the link. What is no name (``{{#if x}}``,
``{{/if}}``) stays as it was written.

Values are put in and never looked at again, so a value that looks like a
placeholder is text (ATTACKS 13).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape

from appliance.value import value

MAX_RESULT_CHARS = 50_000_000
MAX_LINE_CHARS = 10_000  # a subject; intake's bound for what goes into a header
MAX_NAME_CHARS = 128

UNSUBSCRIBE = "unsubscribe"

# Braces end a name, so every part of the text is looked at a bounded number
# of times.
_SLOT = re.compile(r"\{\{\{([^{}]*+)\}\}\}|\{\{([^{}]*+)\}\}")
_NO_NAME = frozenset("#/^!>&~=*@'\"(")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class MergeTooLarge(ValueError):  # noqa: N818 - a refusal about input, not an error of ours
    """The values would make more text than anyone may send."""


class Context(Enum):
    """Where the text stands, which decides what a value must not do there."""

    TEXT = "text"
    HTML = "html"
    LINE = "line"  # a subject: a value's line ends and controls become blanks


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str
    raw: bool


@value
class MergeText:
    """A text that is cut at its placeholders once and filled in many times."""

    source: str
    context: Context
    pieces: tuple[str | _Slot, ...]

    @classmethod
    def compile(cls, source: str, context: Context) -> "MergeText":
        """``source`` with its placeholders found."""
        pieces: list[str | _Slot] = []
        done = 0
        for match in _SLOT.finditer(source):
            name = _slot_name(match)
            if name:
                pieces += (source[done : match.start()], _Slot(name, bool(match[1])))
                done = match.end()
        pieces.append(source[done:])
        return cls(source, context, tuple(pieces))

    @property
    def is_static(self) -> bool:
        """True if every recipient gets the same text."""
        return len(self.pieces) == 1

    def fill(self, values: Mapping[str, str], unsubscribe_url: str = "") -> str:
        """The text for one recipient.

        Raises:
            MergeTooLarge: the result would be out of bounds.
        """
        if self.is_static:
            return self.source
        known = _Values(values, unsubscribe_url, self.context)
        bound = MAX_LINE_CHARS if self.context is Context.LINE else MAX_RESULT_CHARS
        out: list[str] = []
        for piece in self.pieces:
            text = piece if isinstance(piece, str) else known.text_of(piece)
            bound -= len(text)
            if bound < 0:
                raise MergeTooLarge("the filled-in text is too large")
            out.append(text)
        return "".join(out)


class _Values:
    """A recipient's values, each brought into its context once."""

    def __init__(
        self, values: Mapping[str, str], unsubscribe_url: str, context: Context
    ) -> None:
        self._values = values
        self._url = unsubscribe_url
        self._context = context
        self._ready: dict[_Slot, str] = {}

    def text_of(self, slot: _Slot) -> str:
        text = self._ready.get(slot)
        if text is None:
            text = self._ready[slot] = self._in_context(slot)
        return text

    def _in_context(self, slot: _Slot) -> str:
        value = self._look_up(slot.name)
        if self._context is Context.LINE:
            return _CONTROLS.sub(" ", value)
        if self._context is Context.HTML and not slot.raw:
            return escape(value)
        return value

    def _look_up(self, name: str) -> str:
        lowered = name.lower()
        if lowered == UNSUBSCRIBE:
            return self._url
        value = self._values.get(name)
        if value is not None:
            return value
        spellings = (key for key in self._values if key.lower() == lowered)
        return self._values.get(next(spellings, name), "")


def _slot_name(match: re.Match[str]) -> str:
    """The name between the braces, "" if there is none."""
    inner = (match[1] or match[2] or "").strip()
    if not inner or len(inner) > MAX_NAME_CHARS or inner[0] in _NO_NAME:
        return ""
    return inner.removeprefix(".").strip()
