"""Every pattern means the same to each Python that we run on."""

import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping

import pytest

import appliance

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from re import _constants, _parser  # type: ignore[attr-defined]

_ONE_CHARACTER = {
    _constants.ANY,
    _constants.CATEGORY,
    _constants.IN,
    _constants.LITERAL,
    _constants.NOT_LITERAL,
}


def _patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    """Those that modules hold, alone or in a table."""
    for found in pkgutil.walk_packages(appliance.__path__, "appliance."):
        if found.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            for one in _values(value):
                if isinstance(one, re.Pattern):
                    yield f"{found.name}.{name}", one


def _values(value: object) -> Iterable[object]:
    return list(value.values()) if isinstance(value, Mapping) else [value]


def _repeats_group(pattern: str | bytes, flags: int) -> bool:
    if isinstance(pattern, bytes):
        pattern, flags = pattern.decode("latin-1"), flags & ~re.LOCALE
    return _is_among(_parser.parse(pattern, flags))


def _is_among(tree: object) -> bool:
    """True if a possessive repeat of more than one character is in there."""
    if not isinstance(tree, list | tuple | _parser.SubPattern):
        return False
    match tree:
        case (_constants.POSSESSIVE_REPEAT, (_, _, inner)):
            if len(inner) != 1 or inner[0][0] not in _ONE_CHARACTER:
                return True
    return any(map(_is_among, tree))


@pytest.mark.parametrize(("name", "pattern"), sorted(_patterns(), key=str))
def test_no_group_is_repeated_possessively(
    name: str, pattern: re.Pattern[str] | re.Pattern[bytes]
) -> None:
    """`(?:ab)*+` may swallow the "a" of "abac" before 3.11.5, as in Debian 12.

    An atomic group, `(?>(?:ab)*)`, is right everywhere (python/cpython#106052).
    """
    assert not _repeats_group(pattern.pattern, pattern.flags), name


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(?:ab)*+", True),
        (rb"x(?:(a)|b)++", True),
        (r"(?:x(?:ab){0,8}+)?", True),
        (r"(?>(?:ab)*)", False),
        (r"[ab]*+.?+a++", False),
    ],
)
def test_the_look_finds_them(pattern: str | bytes, expected: bool) -> None:  # noqa: FBT001  a table's column
    """What it looks for is found wherever it stands."""
    assert _repeats_group(pattern, 0) is expected
