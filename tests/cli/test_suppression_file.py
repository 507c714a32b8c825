"""Suppressions as CSV, in both directions, from hostile hands too."""

import io
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli.suppression_file import (
    MAX_LINE_BYTES,
    BadLine,
    Entry,
    WrongFileError,
    header,
    read_lines,
    written,
)
from appliance.core.ids import SubAccountId
from appliance.core.suppression import (
    EVERYTHING,
    Scope,
    Source,
    Suppression,
    SuppressionReason,
)
from appliance.dialects.addresses import read_target

NOW_NS = 1_700_000_000_000_000_000


def read(raw: bytes) -> list[Entry | BadLine]:
    """What a file says."""
    return list(read_lines(io.BytesIO(raw), NOW_NS))


def one(raw: bytes) -> Entry:
    """What its only line says."""
    (found,) = read(raw)
    assert isinstance(found, Entry), found
    return found


def entry(
    address: str,
    at_ns: int = NOW_NS,
    scope: Scope = EVERYTHING,
    expires_ns: int | None = None,
) -> Suppression:
    """An entry of the list."""
    why, by = SuppressionReason.HARD_BOUNCE, Source.BOUNCE
    who = 1, UUID(int=1), SubAccountId(1), address
    return Suppression(*who, why, at_ns, "", by, None, scope, expires_ns)


def test_the_columns_are_found_by_their_names() -> None:
    """In any order, with others between them, in any case."""
    found = one(b"x,Created,EMAIL,reason\r\n1,2023-01-01,b@x.example,hardBounce\r\n")
    assert found.target.key == "b@x.example"
    assert found.reason is SuppressionReason.HARD_BOUNCE
    assert found.at_ns == 1_672_531_200_000_000_000


def test_a_list_of_addresses_is_enough() -> None:
    """Without a header: added by hand, now. Empty lines are none."""
    found = read(b"\xef\xbb\xbfa@x.example\n\n*@y.example\n")
    assert [(each.target.key, each.at_ns) for each in found] == [  # type: ignore[union-attr]
        ("a@x.example", NOW_NS),
        ("@y.example", NOW_NS),
    ]


@pytest.mark.parametrize("raw", [b"name,reason\na@x.example,manual\n", b"\x00\x01,x\n"])
def test_another_kind_of_file_is_refused(raw: bytes) -> None:
    """Before anything is taken from it."""
    with pytest.raises(WrongFileError):
        read(raw)


@pytest.mark.parametrize(
    "bad",
    [
        b"nobody",
        b"b@x.example,whatever",
        b"b@x.example,manual,yesterday",
        b"b@x.example,manual,2100-01-01",
        b"b@x.example,manual,1969-01-01",
        b'"b@x.example',
        b"\xff\xfe@x.example",
        b"b\x00@x.example",
        b"b@x.example," + b"a" * MAX_LINE_BYTES * 3,
        b"b@x.example\rc@x.example",
        b"b@x.example,,,a b",
        b"b@x.example,,,news,shop.example",
        b"b@x.example,,,,-",
        b"b@x.example,,,,,2023-01-01",
        b"b@x.example,,,,,soon",
        b"b@x.example,,,,,9999-01-01",
    ],
)
def test_a_bad_line_takes_nothing_from_the_next(bad: bytes) -> None:
    """It is told by its number; a quote that never ends ends with its line."""
    header_ = b"email,reason,created,topic,domain,expires\na@x.example,,\n"
    found = read(header_ + bad + b"\nz@x.example,,")
    assert [isinstance(each, Entry) for each in found] == [True, False, True]
    assert isinstance(found[1], BadLine)
    assert found[1].number == 3
    assert len(found[1].what) < 200


@pytest.mark.parametrize("local", ["=cmd", "+1", "-x", "'=x", "''-x", "'x", "a,b"])
def test_a_cell_is_no_formula_and_comes_back(local: str) -> None:
    """ATTACKS 12: a spreadsheet shows it and computes nothing."""
    line = written(entry(f"{local}@x.example"))
    assert line.lstrip('"')[0] not in "=+-@"
    if "," not in local:
        assert one(f"{header()}\n{line}\n".encode()).target.key == f"{local}@x.example"


@given(st.emails(), st.integers(0, NOW_NS // 10**6))
def test_what_is_written_is_read_again(address: str, at_ms: int) -> None:
    """The same entry, to the millisecond."""
    target = read_target(address)
    assert target is not None
    found = one(f"{header()}\n{written(entry(target.key, at_ms * 10**6))}\n".encode())
    assert (found.target.key, found.at_ns) == (target.key, at_ms * 10**6)
    assert found.reason is SuppressionReason.HARD_BOUNCE


@pytest.mark.parametrize(
    "scope", [EVERYTHING, Scope("news"), Scope("-x"), Scope("", "shop.example")]
)
@pytest.mark.parametrize("expires_ns", [None, NOW_NS + 10**9])
def test_the_mail_and_the_end_are_written_too(
    scope: Scope, expires_ns: int | None
) -> None:
    """Both ways; a topic is no formula either."""
    line = written(entry("b@x.example", scope=scope, expires_ns=expires_ns))
    found = one(f"{header()}\n{line}\n".encode())
    assert (found.scope, found.expires_ns) == (scope, expires_ns)


@given(st.binary())
def test_any_bytes_are_told_by_the_line(raw: bytes) -> None:
    """Each line is at most one entry or one complaint."""
    found = read(b"email,reason,created\n" + raw)
    assert len(found) <= raw.count(b"\n") + 1
