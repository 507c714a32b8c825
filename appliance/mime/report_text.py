"""The text of a report that people read, up to the copy of the mail it is about.

The words of the copy are ours, or anybody's: nothing is ever looked for in them.
"""

import html
import re

from appliance.mime.pieces import Mail
from appliance.mime.returned_words import COPY_FOLLOWS, COPY_LINES

_MAX_LINES = 400
_BLOCK_TAG = re.compile(
    r"</?(?:br|p|div|td|tr|li|h[1-6]|table)\b[^<>]*+>", re.IGNORECASE
)
_UNSHOWN = re.compile(r"<(/?)(?:style|script)\b[^<>]*+>", re.IGNORECASE)
_TAG = re.compile(r"<[a-z/!?][^<>]*+>", re.IGNORECASE)
# What is quoted of our mail's header: its subject could say anything.
_QUOTED = re.compile(
    r"[\s|>]*+(?:(?:the )?message (?:subject|date|identifier)"
    r"|(?:the )?(?:subject|date) of the message"
    r"|subject|to|from|cc|sent|date|message-id"
    r"|betreff|an|von|gesendet|objet|asunto|assunto|oggetto|onderwerp|тема|件名|主题)"
    r"(?: is| was)?[ \t]*+[:\uff1a]",
    re.IGNORECASE,
)
_RECEIVED = re.compile(r"(?:received|return-path): ", re.IGNORECASE)


def report_text(mail: Mail) -> str:
    """The text for people, up to the copy of the mail that came back."""
    piece = next(mail.of_kind("text/plain"), None) or next(
        mail.of_kind("text/html"), None
    )
    if piece is None:
        return ""
    text = piece.text()
    lines = (_shown(text) if piece.kind == "text/html" else text).split("\n")
    kept: list[str] = []
    for line in lines[:_MAX_LINES]:
        if _begins_copy(line.strip().lower()):
            break
        kept.append("" if _QUOTED.match(line) else line)
    return "\n".join(kept)


def _shown(markup: str) -> str:
    """What is shown of HTML, roughly: a line for each block."""
    text = _TAG.sub("", _BLOCK_TAG.sub("\n", _without_unshown(markup)))
    lines = (line.strip() for line in html.unescape(text).split("\n"))
    return "\n".join(lines)


def _without_unshown(markup: str) -> str:
    """``markup`` without styles and scripts; one that has no end ends all."""
    kept: list[str] = []
    start, is_shown = 0, True
    for tag in _UNSHOWN.finditer(markup):
        if is_shown:
            kept.append(markup[start : tag.start()])
        start, is_shown = tag.end(), bool(tag[1])
    return "".join([*kept, markup[start:] if is_shown else ""])


def _begins_copy(line: str) -> bool:
    if line.startswith(COPY_LINES) or _RECEIVED.match(line):
        return True
    return line.startswith("--") and any(phrase in line for phrase in COPY_FOLLOWS)
