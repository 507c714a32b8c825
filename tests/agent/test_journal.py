"""Lines from the journal, by a journalctl that prints what a real one does."""

import json
from pathlib import Path

import pytest

from appliance.agent.journal import MAX_ENTRY, Journal, JournalChunk
from appliance.agent.maillog import Attempt, parse_line
from appliance.agent.place import Cursor
from tests.fakes.maillog import Mail
from tests.fakes.programs import wait_until

# Prints the entries of a file behind the cursor that it is given.
_PROGRAM = """\
import json, sys
after = [one.split("=", 1)[1] for one in sys.argv if one.startswith("--after-cursor=")]
skip = bool(after)
for line in open(sys.argv[1], encoding="utf-8"):
    if not skip:
        sys.stdout.write(line)
    elif json.loads(line).get("__CURSOR") == after[0]:
        skip = False
sys.stdout.flush()
if "--follow" in sys.argv:
    sys.stdin.close()
    import time
    time.sleep(60)
"""


def entry(number: int, message: object, **fields: object) -> str:
    """An entry as `journalctl -o json` prints it."""
    facts = {
        "__CURSOR": f"s=1;i={number}",
        "__REALTIME_TIMESTAMP": str(1795669200_000_000 + number),
        "_HOSTNAME": "mx",
        "SYSLOG_IDENTIFIER": "postfix/smtp",
        "SYSLOG_FACILITY": "2",
        "_PID": "4711",
        "MESSAGE": message,
        **fields,
    }
    return json.dumps(facts) + "\n"


MESSAGE = Mail().bounced().split(b"]: ", 1)[1].rstrip().decode()


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    """What the journal holds."""
    (tmp_path / "journalctl.py").write_text(_PROGRAM)
    return tmp_path / "entries"


def journal(
    entries: Path, place: Cursor | None = None, *, follow: bool = False
) -> Journal:
    """The source that reads it."""
    program = entries.with_name("journalctl.py")
    command = ("python3", str(program), str(entries))
    return Journal(place, follow=follow, command=command)


def read_all(source: Journal) -> JournalChunk:
    """All entries there are; pipes give them in pieces."""
    lines, places = list[bytes](), list[Cursor]()
    while not source._over:
        if chunk := source.read():
            lines += chunk.lines
            places += chunk.places
    return JournalChunk(lines, places)


def test_an_entry_is_a_line(entries: Path) -> None:
    """All that is said about lines holds for it."""
    entries.write_text(entry(1, MESSAGE))
    source = journal(entries)
    chunk = read_all(source)
    parsed = parse_line(chunk.lines[0])
    assert isinstance(parsed, Attempt)
    assert parsed.stamp == b"2026-11-26T05:00:00.000001+00:00"
    assert source.read() is None
    source.close()


def test_the_cursor_is_the_place(entries: Path) -> None:
    """A restart goes on behind it."""
    entries.write_text("".join(entry(number, MESSAGE) for number in range(3)))
    source = journal(entries)
    chunk = read_all(source)
    assert chunk.end == chunk.after(2, 0)
    first = chunk.after(0, 0)
    source.close()
    source = journal(entries, first)
    assert len(read_all(source).lines) == 2
    source.close()


def test_texts_that_are_none_come_as_numbers(entries: Path) -> None:
    """ATTACKS 25: non-UTF-8; newlines within an entry begin no line."""
    raw = [*MESSAGE.encode(), 0xFF, 0x0A]
    forged = "x\n" + Mail().bounced().decode()
    entries.write_text(entry(1, raw) + entry(2, forged) + entry(3, None))
    source = journal(entries)
    chunk = read_all(source)
    assert [isinstance(parse_line(one), Attempt) for one in chunk.lines] == [
        True,
        False,
        False,
    ]
    source.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"SYSLOG_IDENTIFIER": "x postfix/smtp"},
        {"_HOSTNAME": "mx postfix/smtp[1]: x"},
        {"_PID": "1]: x"},
    ],
)
def test_a_tag_is_a_tag(entries: Path, fields: dict[str, object]) -> None:
    """ATTACKS 25: no field can be made to look like the next."""
    entries.write_text(entry(1, MESSAGE, **fields))
    source = journal(entries)
    assert read_all(source).lines == [b""]
    source.close()


def test_what_is_no_entry_is_left_out(entries: Path) -> None:
    """Also one that is too large to be held."""
    broken = '{"__CURSOR": "x"}\nnull\n[]\n{\n'
    entries.write_text(broken + entry(1, "y" * MAX_ENTRY * 2) + entry(2, MESSAGE))
    source = journal(entries)
    assert len(read_all(source).lines) == 1
    source.close()


def test_it_follows(entries: Path) -> None:
    """And says nothing while nothing comes."""
    entries.write_text(entry(1, MESSAGE))
    source, got = journal(entries, follow=True), list[bytes]()

    def read() -> bool:
        chunk = source.read()
        got.extend(chunk.lines if chunk else [])
        return bool(got)

    wait_until(read, 5, "the entry")
    assert source.read() is None
    source.close()


def test_an_end_that_nobody_asked_for_is_tried_again(entries: Path) -> None:
    """It cannot read the journal, or was killed."""
    source = journal(entries)
    with pytest.raises(OSError, match="journalctl"):
        source.read()
    entries.write_text(entry(1, MESSAGE))
    assert len(read_all(source).lines) == 1
    source.close()
