"""Links in a sender's HTML: found by one walk, replaced without touching the rest.

Links beyond ``MAX_LINKS``, or with longer targets, lead where they led.

The walk follows the tokeniser of the HTML standard (13.2.5) as far as it takes
to know what is a tag, what is a comment and what is the text of a script. Only
the value of an ``href`` is ever replaced; every other character stays as it
was, since mail HTML is tuned to readers that no parser knows. Conditional
comments (``<!--[if mso]>``) are walked too: Outlook's buttons are links.

Every expression here is possessive, and whatever has no end ends the walk, so
the time is linear in the text (ATTACKS 14).
"""

import re
import sys
from collections.abc import Callable
from html import escape
from html.entities import html5
from typing import NamedTuple

from appliance.value import value

MAX_LINKS = 10_000
MAX_TARGET_OCTETS = 8_000

# The running number of a link and its target -> the URL in its place, or None
# to leave it as it is.
MakeUrl = Callable[[int, str], str | None]

_ANY_CASE = re.IGNORECASE | re.ASCII  # of ASCII's letters, as HTML has it
_WS = r"[\t\n\f\r ]"
_TAG_NAME = re.compile(r"[a-zA-Z][^\t\n\f\r />]*+")
# One attribute: its name, which may begin with "=", and its value in one of
# three spellings.
_VALUE = r"""(?:"([^"]*+)"|'([^']*+)'|(?=>)|([^\t\n\f\r >"'][^\t\n\f\r >]*+))"""
_ATTRIBUTE = (
    r"[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    rf"(?:{_WS}*+={_WS}*+{_VALUE}|(?!{_WS}*+=))"
)
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_ANY_ATTRIBUTES = f"(?>(?:{_ATTRIBUTE.replace('([^', '(?:[^')})*)"
_TAG_END = r"[\t\n\f\r /]*+>"
_REST_OF_TAG = re.compile(_ANY_ATTRIBUTES + _TAG_END)
_COMMENT_END = re.compile(r"--!?>")
_CONDITION = re.compile(r"\[if [^\]]*+\]>", _ANY_CASE)
_REFERENCE = re.compile(
    r"&(?:#([0-9]++);?|#[xX]([0-9a-fA-F]++);?|([a-zA-Z][a-zA-Z0-9]*+(?:;|(?!=))))"
)
_MAX_DIGITS = 7
_SURROGATES = range(0xD800, 0xE000)
_WINDOWS_1252 = range(0x80, 0xA0)

# One that says what it says: nothing to decode, to trim, or to refuse.
_PLAIN_URL = re.compile(
    r"[hH][tT][tT][pP][sS]?://"
    "[^/?#{\x00-\x20\x7f-\x9f\ud800-\udfff][^{\x00-\x20\x7f-\x9f\ud800-\udfff]{0,1000}+"
)
_HTTP = re.compile(r"https?://[^/?#]", _ANY_CASE)
_TRIMMED = "".join(map(chr, range(0x21)))  # URL standard 4.4: C0 controls and blank
_DROPPED = re.compile(r"[\t\n\r]+")
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_MARKUP = re.compile("[&<>\"']")

_LINK_TAGS = frozenset({"a", "area", "v:roundrect", "v:rect"})
# Elements whose content is text, whatever it looks like (13.2.5.1).
_TEXT_ENDS = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", _ANY_CASE)
    for name in (
        "script",
        "style",
        "title",
        "textarea",
        "xmp",
        "iframe",
        "noembed",
        "noframes",
    )
}
# Most of a mail's HTML, passed over in one step: a run of tags that say nothing here
# and the text behind them, then perhaps a link as most people write it. What is not
# of this form is looked at piece by piece.
_TELLING = "|".join(("body", "head", "plaintext", *sorted(_LINK_TAGS), *_TEXT_ENDS))
_STEP = re.compile(
    rf"(?>(?:<(?!/?(?:body|head)[\t\n\f\r />]|(?:{_TELLING})[\t\n\f\r />])"
    rf"/?[a-zA-Z][^\t\n\f\r />]*+{_ANY_ATTRIBUTES}{_TAG_END}[^<]*+)*)"
    rf'(?:<a[\t\n\f\r ]++href="([^"]*+)"{_ANY_ATTRIBUTES}{_TAG_END}[^<]*+)?',
    _ANY_CASE,
)
_STOP = -1


class Link(NamedTuple):
    """A web link: where its ``href`` value stands, quotes included, and its target."""

    start: int
    end: int
    target: str


@value
class Markup:
    """HTML and what the walk found in it.

    ``body_start`` is where the content that people see begins, ``body_end``
    where it ends: the last ``</body``, or the end of the text.
    """

    html: str
    links: tuple[Link, ...]
    body_start: int
    body_end: int

    def rewrite(self, make: MakeUrl | None, pixel_url: str = "") -> str:
        """The HTML with the links that ``make`` replaces, and a pixel at its end.

        No ``make`` leaves the links, no ``pixel_url`` leaves the pixel out.
        """
        edits: list[tuple[int, int, str]] = []
        if make is not None:
            for number, link in enumerate(self.links):
                url = make(number, link.target)
                if url is not None:
                    edits.append((link.start, link.end, self._quoted(link, url)))
        if pixel_url:
            edits.append((self.body_end, self.body_end, _pixel(pixel_url)))
            edits.sort()
        return self._splice(edits)

    def with_preheader(self, text: str) -> str:
        """The HTML with a line for the inbox's preview that no one sees in the mail."""
        line = (
            '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">'
            f"{escape(text)}</div>"
        )
        return self._splice([(self.body_start, self.body_start, line)])

    def _quoted(self, link: Link, url: str) -> str:
        first = self.html[link.start]
        quote = first if first in "\"'" else '"'
        escaped = escape(url) if _MARKUP.search(url) else url
        return f"{quote}{escaped}{quote}"

    def _splice(self, edits: list[tuple[int, int, str]]) -> str:
        out: list[str] = []
        done = 0
        for start, end, text in edits:
            out += (self.html[done:start], text)
            done = end
        out.append(self.html[done:])
        return "".join(out)


def scan(html: str) -> Markup:
    """The links and the edges of the body; of use while ``html`` is the same."""
    walk = _Walk(html)
    walk.region(0, len(html))
    end = walk.body_end if walk.body_end is not None else len(html)
    return Markup(html, tuple(walk.links), walk.body_start, end)


def rewrite_links(html: str, make: MakeUrl) -> str:
    """``html`` with every http(s) link that ``make`` replaces.

    ``make`` gets the link's number and its target as a browser would follow
    it: references decoded, blanks around it and line ends within it gone.
    """
    return scan(html).rewrite(make)


def insert_pixel(html: str, url: str) -> str:
    """``html`` with a one-pixel image before the last ``</body``, else at the end."""
    return scan(html).rewrite(None, url)


def _pixel(url: str) -> str:
    return f'<img src="{escape(url)}" width="1" height="1" border="0" alt="">'


class _Walk:
    """One pass over the text; every method returns where to go on, or ``_STOP``."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.links: list[Link] = []
        self.body_start = 0
        self.body_end: int | None = None
        self._in_body = False
        self._in_comment = False

    def region(self, pos: int, end: int) -> None:
        while pos != _STOP:
            pos = self.html.find("<", pos, end)
            if pos == _STOP:
                return
            step = _STEP.match(self.html, pos, end)
            assert step is not None, "nothing is a step too"
            if step[1] is not None:
                self._note(step, 1)
            pos = step.end() if step.end() > pos else self._markup(pos, end)

    def _markup(self, pos: int, end: int) -> int:
        following = self.html[pos + 1 : pos + 2]
        if name := _TAG_NAME.match(self.html, pos + 1, end):
            return self._start_tag(name, end)
        if following == "/":
            return self._end_tag(pos, end)
        if following == "!":
            return self._declaration(pos, end)
        return self._past(pos, end) if following == "?" else pos + 1

    def _start_tag(self, name: re.Match[str], end: int) -> int:
        rest = _REST_OF_TAG.match(self.html, name.end(), end)
        if rest is None:
            return _STOP
        tag = name[0].lower()
        if tag in _LINK_TAGS:
            self._find_href(rest.start(), rest.end())
        elif tag in _TEXT_ENDS:
            closing = _TEXT_ENDS[tag].search(self.html, rest.end(), end)
            return closing.start() if closing else _STOP
        elif tag == "plaintext":
            return _STOP
        elif tag == "body":
            self._begin_body(rest.end(), final=True)
        return rest.end()

    def _end_tag(self, pos: int, end: int) -> int:
        name = _TAG_NAME.match(self.html, pos + 2, end)
        if name is None:  # "</>" and the like: a comment to the next ">"
            return self._past(pos, end)
        rest = _REST_OF_TAG.match(self.html, name.end(), end)
        if rest is None:
            return _STOP
        tag = name[0].lower()
        if tag == "body" and not self._in_comment:
            self.body_end = pos
        elif tag == "head":
            self._begin_body(rest.end(), final=False)
        return rest.end()

    def _declaration(self, pos: int, end: int) -> int:
        if not self.html.startswith("<!--", pos, end):
            after = self._past(pos, end)
            if after != _STOP:
                self._begin_body(after, final=False)
            return after
        for empty in ("<!-->", "<!--->"):
            if self.html.startswith(empty, pos, end):
                return pos + len(empty)
        closing = _COMMENT_END.search(self.html, pos + 4, end)
        if closing is None:
            return _STOP
        condition = _CONDITION.match(self.html, pos + 4, closing.start())
        if condition and not self._in_comment:
            self._in_comment = True
            self.region(condition.end(), closing.start())
            self._in_comment = False
        return closing.end()

    def _past(self, pos: int, end: int) -> int:
        closing = self.html.find(">", pos, end)
        return _STOP if closing < 0 else closing + 1

    def _begin_body(self, pos: int, *, final: bool) -> None:
        if not self._in_body and not self._in_comment:
            self.body_start = pos
            self._in_body = final

    def _find_href(self, pos: int, end: int) -> None:
        """Note the first ``href`` of a tag: browsers drop the others."""
        while match := _ATTRIBUTES.match(self.html, pos, end):
            if match[1].lower() == "href":
                group = match.lastindex or 1
                if group > 1:
                    self._note(match, group)
                return
            pos = match.end()

    def _note(self, match: re.Match[str], group: int) -> None:
        target = _target(match[group])
        if target and len(self.links) < MAX_LINKS:
            quotes = 0 if group == _UNQUOTED else 1
            start, end = match.span(group)
            self.links.append(Link(start - quotes, end + quotes, target))


_UNQUOTED = 4  # the group of _ATTRIBUTE for a value without quotes


def _target(value: str) -> str:
    """The web address that an ``href`` leads to, "" if it is none of ours to touch."""
    plain = value.replace("&amp;", "&")
    if value.count("&") == value.count("&amp;") and _PLAIN_URL.fullmatch(plain):
        return plain
    url = _REFERENCE.sub(_decoded, value).strip(_TRIMMED)
    url = _DROPPED.sub("", url)
    if not _HTTP.match(url) or _HARMFUL.search(url) or "{{" in url:
        return ""
    return url if len(url.encode()) <= MAX_TARGET_OCTETS else ""


def _decoded(match: re.Match[str]) -> str:
    """One character reference as an attribute's value has it (13.2.5.73 onwards)."""
    decimal, hexadecimal, name = match.groups()
    if name:
        return html5.get(name, match[0])
    digits = (decimal or hexadecimal).lstrip("0")
    if len(digits) > _MAX_DIGITS:
        return "\ufffd"
    code = int(digits or "0", 10 if decimal else 16)
    if code == 0 or code > sys.maxunicode or code in _SURROGATES:
        return "\ufffd"
    if code in _WINDOWS_1252:
        return bytes([code]).decode("cp1252", errors="replace")
    return chr(code)
