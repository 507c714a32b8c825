"""Address lists as RFC 5322 3.4 writes them, read without a guess.

For the field that decides who may send: two readers must never find two
different senders in it (ATTACKS 7). So the grammar of today is read, and of the
obsolete one only the dots in an unquoted name. What careful and careless
readers could take differently is refused: groups, routes, comments within an
address, addresses that hide in comments, in names or in quoted local parts,
and encoded words in place of a local part.
"""

import re
from functools import lru_cache
from itertools import groupby

import idna

from appliance.core.address import Address, Mailbox, parse_address
from appliance.core.encoded_words import decode_words
from appliance.core.fields import is_safe_text

MAX_MAILBOXES = 100
_REMEMBERED = 1_024  # who sends much sends it from few addresses
_MEMORABLE = 512  # characters
_MAX_DOMAIN_CHARS = 255  # idna's work grows faster than its input

# One letter for each kind of token: blanks, comments, atoms, atoms that begin
# with a dot, quoted strings. A special stands for itself.
_COMMENT = "c"
_SPOKEN = "adq"
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff"
_TOKEN = re.compile(
    r"(?P<b>[ \t]++)"
    rf"|(?P<a>[{_ATEXT}][{_ATEXT}.]*+)"
    rf"|(?P<d>\.[{_ATEXT}.]*+)"
    r'|(?P<q>"(?>(?:[^"\\]|\\.)*)")'
    r"|[<>@,]"
)
_COMMENT_PIECE = re.compile(r"[^()\\]++|\\.|[()]")
_QUOTED_PAIR = re.compile(r"\\(.)")
# The shapes of one mailbox, in kinds.
_BARE = re.compile("[bc]*+([aq])@a[bc]*+")
_NAMED = re.compile("([bc]*+(?:[aq][bcaqd]*+)?)<b?+([aq])@ab?+>[bc]*+")

_ADDRESS_MARKS = re.compile("[<>@]")
_PLAINLY_QUOTED = re.compile(r'"[^"\\<>@,;:()\[\]]++"')
_HIDDEN_ADDRESS = re.compile("<[^<>@]*+@")


class NotMailboxes(ValueError):  # noqa: N818 - a refusal about input, not an error of ours
    """A text that is no list of addresses, or one that could be read in two ways."""


def parse_mailboxes(text: str) -> tuple[Mailbox, ...]:
    """The mailboxes of an unfolded address list, their domains in A-labels.

    Raises:
        NotMailboxes: why it is none; the words hold nothing of ``text``.
    """
    if not is_safe_text(text):
        raise NotMailboxes("it holds a control character or is too long")
    return _parse(text) if len(text) <= _MEMORABLE else _parse.__wrapped__(text)


@lru_cache(_REMEMBERED)
def _parse(text: str) -> tuple[Mailbox, ...]:
    kinds, tokens = _cut(text)
    if kinds.count(",") >= MAX_MAILBOXES:
        raise NotMailboxes("it has too many addresses")
    found: list[Mailbox] = []
    start = 0
    for piece in kinds.split(","):
        end = start + len(piece)
        found.append(_mailbox(piece, tokens[start:end]))
        start = end + 1
    return tuple(found)


def _cut(text: str) -> tuple[str, list[str]]:
    """The tokens of ``text``: their kinds, a letter for each, and what they are."""
    kinds: list[str] = []
    tokens: list[str] = []
    pos = 0
    while pos < len(text):
        if match := _TOKEN.match(text, pos):
            kind, end = match.lastgroup or match[0], match.end()
        elif text[pos] == "(":
            kind, end = _COMMENT, _comment_end(text, pos)
        else:
            raise NotMailboxes(_complaint(text[pos]))
        kinds.append(kind)
        tokens.append(text[pos:end])
        pos = end
    return "".join(kinds), tokens


def _complaint(char: str) -> str:
    if char in ":;":
        return "it has a group or a route"
    if char == "[":
        return "it has an address literal"
    return "a quoted string or a comment has no end, or no beginning"


def _comment_end(text: str, start: int) -> int:
    """Where the comment that begins at ``start`` ends; comments nest."""
    depth, pos = 0, start
    while piece := _COMMENT_PIECE.match(text, pos):
        pos = piece.end()
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        if depth == 0:
            if _ADDRESS_MARKS.search(text, start, pos):
                raise NotMailboxes("a comment looks like an address")
            return pos
    raise NotMailboxes("a comment has no end")


def _mailbox(kinds: str, tokens: list[str]) -> Mailbox:
    if bare := _BARE.fullmatch(kinds):
        return Mailbox(_address(tokens, bare.start(1)))
    named = _NAMED.fullmatch(kinds)
    if named is None:
        raise NotMailboxes("it is not a list of addresses")
    address = _address(tokens, named.start(2))
    spoken = zip(kinds[: named.end(1)], tokens, strict=False)
    return Mailbox(address, _name([text for kind, text in spoken if kind in _SPOKEN]))


def _address(tokens: list[str], index: int) -> Address:
    """The address whose local part is the token at ``index``."""
    local, domain = tokens[index], tokens[index + 2]
    address = None
    # A reader that decodes first would find another address in such a local part.
    if "=?" not in local and (local[0] != '"' or _PLAINLY_QUOTED.fullmatch(local)):
        address = parse_address(f"{local}@{_ascii_domain(domain)}")
    if address is None:
        raise NotMailboxes("one of its addresses is none")
    return address


def _name(spoken: list[str]) -> str:
    """The display name; only words that are not quoted may be encoded (RFC 2047 5)."""
    words: list[str] = []
    for is_quoted, group in groupby(spoken, key=lambda text: text[0] == '"'):
        if is_quoted:
            words += (_QUOTED_PAIR.sub(r"\1", text[1:-1]) for text in group)
        else:
            words.append(decode_words(" ".join(group)))
    name = " ".join(words).strip()
    if _HIDDEN_ADDRESS.search(name):
        raise NotMailboxes("a name holds an address in brackets")
    return name


def _ascii_domain(domain: str) -> str:
    """The A-label form (RFC 5891 with the mapping of UTS 46), "" if there is none.

    Doors that take addresses alone have the same step in their own room.
    """
    if domain.isascii():
        return domain
    if len(domain) > _MAX_DOMAIN_CHARS:
        return ""
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:  # idna's own errors are all of this kind
        return ""
