"""Delivery status reports by the book (RFC 3464), and what is written beside it.

Read are message/delivery-status and message/global-delivery-status (RFC 6533). The
first block of fields is about the mail, each other about one recipient; those who
forget the blank lines are understood by a field that comes again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from appliance.mime.pieces import Mail, read_fields
from appliance.mime.returned import MAX_RECIPIENTS, Action, Failed
from appliance.mime.told import (
    better_status,
    one_line,
    read_address,
    read_date,
    read_name,
    read_reply,
    read_status_code,
    untyped,
)

_KINDS = ("message/delivery-status", "message/global-delivery-status")
_MAX_REPORTS = 3  # more than one are not by the book
_MAX_BLOCKS = MAX_RECIPIENTS + 1
_RECIPIENTS = ("final-recipient", "x-actual-recipient", "original-recipient")
_ONCE = frozenset({"final-recipient", "action", "status"})
# How the word is written, by its beginning: RFC 3464 2.3.3, and what others say.
_ACTIONS = {
    "fail": Action.FAILED,
    "expire": Action.FAILED,
    "bounce": Action.FAILED,
    "delay": Action.DELAYED,
    "deferred": Action.DELAYED,
    "deliver": Action.DELIVERED,
    "relay": Action.RELAYED,
    "expand": Action.EXPANDED,
}
_BY_CLASS = {"2": Action.DELIVERED, "4": Action.DELAYED, "5": Action.FAILED}
_BARE_CODE = re.compile(r"\s*([245][0-5][0-9])(?![0-9.])", re.ASCII)


def read_status(mail: Mail) -> tuple[Failed, ...]:
    """What the mail's report says of each recipient, () if it is no report."""
    pieces = islice(mail.of_kind(*_KINDS), _MAX_REPORTS)
    return merge(one for piece in pieces for one in recipients_in(piece.text()))


def recipients_in(text: str) -> Iterator[Failed]:
    """What blocks of fields say of recipients; other text is passed over."""
    for block in islice(_blocks(text), _MAX_BLOCKS):
        if (told := _recipient(block)) is not None:
            yield told


def merge(told: Iterable[Failed]) -> tuple[Failed, ...]:
    """Each recipient once; a failure overrules whatever was said before it."""
    found: dict[tuple[str, str], Failed] = {}
    for one in told:
        key = (one.address, one.original)
        known = found.get(key)
        if known is None and len(found) == MAX_RECIPIENTS:
            break
        if known is None or (
            one.action is Action.FAILED and known.action is not Action.FAILED
        ):
            found[key] = one
    return tuple(found.values())


def _blocks(text: str) -> Iterator[Mapping[str, str]]:
    for group in filter(str.strip, text.split("\n\n")):
        block: dict[str, str] = {}
        for name, value in read_fields(group):
            if name in _ONCE and name in block:
                yield block
                block = {}
            block.setdefault(name, value)
        yield block


def _recipient(block: Mapping[str, str]) -> Failed | None:
    """What one block says, None if it is about no recipient."""
    if not any(name in block for name in _RECIPIENTS):
        return None
    words = block.get("diagnostic-code") or block.get("x-supplementary-info", "")
    diagnostic = one_line(untyped(words))
    code, told = read_reply(diagnostic)
    field = block.get("status", "")
    if not code and (bare := _BARE_CODE.match(field)):
        code = int(bare[1])
    status = better_status(read_status_code(field[:100]), told)
    action = _action(block.get("action", ""), status, code)
    if action is None:
        return None
    return Failed(
        address=_address(block),
        action=action,
        original=read_address(block.get("original-recipient", "")),
        status=status,
        code=code,
        diagnostic=diagnostic,
        remote_mta=read_name(block.get("remote-mta", "")),
        at_s=read_date(block.get("last-attempt-date", "")),
    )


def _address(block: Mapping[str, str]) -> str:
    told = (read_address(block.get(name, "")) for name in _RECIPIENTS)
    return next(filter(None, told), "")


def _action(word: str, status: str, code: int) -> Action | None:
    """The action; without a known word the status says it, and nothing says none."""
    word = word.strip().lower()
    for beginning, action in _ACTIONS.items():
        if word.startswith(beginning):
            return action
    return _BY_CLASS.get(status[:1] or str(code)[:1])
