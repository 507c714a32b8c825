"""One stream of lines out of files that are renamed, copied, cut and swapped."""

import gzip
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.agent.logfile import CHUNK, LogFile
from appliance.agent.maillog import MAX_LINE
from appliance.agent.place import FilePlace
from appliance.agent.tail import FileTail
from tests.fakes.maillog import append


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log; its time stands still unless `written` moves it."""
    return tmp_path / "mail.log"


def write(log: Path, *lines: bytes, at_s: int = 1_000_000) -> None:
    """Write on; each file's last writing has a moment of its own."""
    append(log, *(one + b"\n" for one in lines))
    os.utime(log, (at_s, at_s))


def read(tail: FileTail) -> list[bytes]:
    """All lines there are, over all files."""
    lines: list[bytes] = []
    while True:
        chunk = tail.read()
        if chunk is None and tail.next_file():
            chunk = tail.turn()
            if chunk is None:
                continue
        if chunk is None:
            return lines
        lines += chunk.lines


def again(tail: FileTail, log: Path, seen_s: float = 1_000_000) -> FileTail:
    """The tail of an agent that was started again."""
    place = tail.place
    tail.close()
    if place is not None:
        place = replace(place, seen_s=seen_s)
    return FileTail(log, place)


def test_it_reads_from_the_start_and_on(log: Path) -> None:
    """Half a line is none until its end is there."""
    tail = FileTail(log)
    write(log, b"one", b"two")
    append(log, b"thr")
    assert read(tail) == [b"one", b"two"]
    append(log, b"ee\n")
    assert read(tail) == [b"three"]
    tail.close()


def test_a_log_that_is_not_there_yet_is_waited_for(log: Path) -> None:
    """It is an error that passes."""
    tail = FileTail(log)
    with pytest.raises(FileNotFoundError):
        tail.read()
    write(log, b"one")
    assert read(tail) == [b"one"]
    tail.close()


def test_a_renamed_log_is_read_to_its_end(log: Path) -> None:
    """The writer goes on in the old one until it is told; then the new one is read."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    log.rename(log.with_name("mail.log.1"))
    assert read(tail) == []  # the new one is not there
    write(log.with_name("mail.log.1"), b"two", at_s=1_000_001)
    log.touch()
    assert read(tail) == [b"two"]
    write(log.with_name("mail.log.1"), b"three", at_s=1_000_002)
    write(log, b"four", at_s=1_000_003)
    assert read(tail) == [b"three", b"four"]
    tail.close()


def test_the_last_line_of_a_renamed_log_may_lack_its_end(log: Path) -> None:
    """Nobody will write it any more."""
    tail = FileTail(log)
    write(log, b"one")
    append(log, b"tw")
    assert read(tail) == [b"one"]
    log.rename(log.with_name("mail.log.1"))
    write(log, b"three", at_s=2_000_000_000)
    assert read(tail) == [b"tw", b"three"]
    tail.close()


@pytest.mark.parametrize("unread", [[], [b"unread"]])
def test_a_copied_and_cut_log_is_finished_in_its_copy(
    log: Path, unread: list[bytes]
) -> None:
    """copytruncate, with and without lines that were not read before it."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    write(log, *unread)
    shutil.copy2(log, log.with_name("mail.log.1"))
    os.truncate(log, 0)
    assert read(tail) == unread
    write(log, b"two", at_s=1_000_001)
    assert read(tail) == [b"two"]
    tail.close()


def test_a_cut_log_that_has_grown_again_is_seen(log: Path) -> None:
    """It is longer than what was read, and not the same."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    shutil.copy2(log, log.with_name("mail.log.1"))
    os.truncate(log, 0)
    write(log, b"two", b"three and more", at_s=1_000_001)
    assert read(tail) == [b"two", b"three and more"]
    tail.close()


def test_a_cut_log_without_a_copy_is_read_from_its_start(log: Path) -> None:
    """What was not read is lost, and that is counted."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    os.truncate(log, 0)
    write(log, b"2")
    assert read(tail) == [b"2"]
    assert tail.lost == 1
    tail.close()


def test_a_writer_that_goes_on_behind_the_cut_leaves_a_hole(log: Path) -> None:
    """Zeros are no line, however many."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    os.truncate(log, 0)
    with log.open("r+b") as file:
        file.seek(3 * CHUNK + 5)
        file.write(b"two\n")
    assert read(tail) == [b"two"]
    tail.close()


def test_a_restart_goes_on_where_it_was(log: Path) -> None:
    """Nothing twice, nothing skipped."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    tail = again(tail, log)
    write(log, b"two")
    assert read(tail) == [b"two"]
    tail.close()


def test_a_restart_finds_all_files_of_several_rotations(log: Path) -> None:
    """In the order in which they were written, whatever their names."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    write(log, b"two")
    log.rename(log.with_name("mail.log-20261126"))
    for name, line, at_s in (
        ("mail.log-20261127", b"three", 1_000_001),
        ("mail.log.1", b"four", 1_000_002),
        ("mail.log", b"five", 1_000_003),
    ):
        write(log.with_name(name), line, at_s=at_s)
    write(log.with_name("mail.log.err"), b"other", at_s=1_000_002)
    log.with_name("mail.log.2.gz").write_bytes(gzip.compress(b"packed"))
    tail = again(tail, log)
    assert read(tail) == [b"two", b"three", b"four", b"five"]
    tail.close()


def test_a_restart_finds_the_rest_in_the_copy(log: Path) -> None:
    """It was cut while the agent was away."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    write(log, b"two")
    shutil.copy2(log, log.with_name("mail.log.1"))
    os.truncate(log, 0)
    write(log, b"three", at_s=1_000_001)
    tail = again(tail, log)
    assert read(tail) == [b"two", b"three"]
    tail.close()


def test_a_place_that_is_gone_is_said(log: Path) -> None:
    """What was written since is read from its start."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    place = tail.place
    tail.close()
    log.unlink()
    assert place is not None
    later_s = int(place.seen_s) + 10
    write(log.with_name("mail.log.1"), b"two", at_s=later_s)
    write(log, b"three", at_s=later_s + 1)
    tail = FileTail(log, place)
    assert read(tail) == [b"two", b"three"]
    assert tail.lost == 1
    tail.close()


def test_the_same_number_is_not_the_same_file(log: Path) -> None:
    """Inodes come again: the digest of the last line tells."""
    write(log, b"something else entirely", b"more")
    found = log.stat()
    place = FilePlace(found.st_dev, found.st_ino, 4, 4, "0" * 16, 0.0)
    tail = FileTail(log, place)
    assert read(tail) == [b"something else entirely", b"more"]
    tail.close()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_refused(log: Path, kind: str) -> None:
    """ATTACKS 25: a link, a pipe or a folder where the log was is not read."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    log.rename(log.with_name("mail.log.1"))
    secret = log.with_name("secret")
    write(secret, b"secret", at_s=1_000_009)
    if kind == "link":
        log.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(log)
    else:
        log.mkdir()
    for one in (tail, FileTail(log)):
        with pytest.raises(OSError, match=r"link|regular|directory|symbolic"):
            read(one)
        one.close()


def test_a_linked_rotated_file_is_passed_over(log: Path) -> None:
    """ATTACKS 25: nor where the place is looked for."""
    tail = FileTail(log)
    write(log, b"one")
    assert read(tail) == [b"one"]
    secret = log.with_name("secret")
    write(secret, b"one", b"secret", at_s=2_000_000_000)
    log.with_name("mail.log.1").symlink_to(secret)
    os.truncate(log, 0)
    write(log, b"2")
    assert read(tail) == [b"2"]
    tail.close()


def test_a_line_of_megabytes_is_cut(log: Path) -> None:
    """ATTACKS 25: its head is a line, and what follows it is read."""
    tail = FileTail(log)
    write(log, b"one", b"x" * (1 << 20), b"three")
    lines = read(tail)
    assert lines == [b"one", b"x" * MAX_LINE, b"three"]
    tail.close()


def test_a_restart_behind_a_long_line(log: Path) -> None:
    """Its end is what stands in the place."""
    tail = FileTail(log)
    write(log, b"x" * (3 * CHUNK))
    assert len(read(tail)) == 1
    tail = again(tail, log)
    write(log, b"two")
    assert read(tail) == [b"two"]
    assert not tail.lost
    tail.close()


def test_each_line_has_its_place(log: Path) -> None:
    """Whoever starts behind a line goes on with the next."""
    lines = [b"one", b"", b"\xff\x00x", b"four"]
    write(log, *lines)
    with LogFile(log) as file:
        chunk = file.read()
    assert chunk is not None
    done = 0
    for index, line in enumerate(lines):
        done += len(line) + 1
        with LogFile(log) as file:
            assert file.resume(chunk.after(index, done))
            rest = file.read()
            assert (rest.lines if rest else []) == lines[index + 1 :]


@given(
    st.lists(
        st.sampled_from(["write", "rename", "copy", "read", "restart", "half"]),
        max_size=25,
    )
)
def test_nothing_is_skipped_and_nothing_comes_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Whatever is done to the log, in whatever order."""
    log = tmp_path_factory.mktemp("log") / "mail.log"
    log.touch()
    os.utime(log, (999_999, 999_999))
    tail, wrote, got, seen_s = FileTail(log), 0, list[bytes](), 0
    for moment, step in enumerate(["read", *steps, "write", "read"]):
        if step == "write":
            write(log, b"line %d" % wrote, at_s=1_000_000 + moment)
            wrote += 1
        elif step == "half":
            got += read(tail)
            append(log, b"line %d" % wrote)
            got += read(tail)
            append(log, b"\n")
            os.utime(log, (1_000_000 + moment,) * 2)
            wrote += 1
            seen_s = 1_000_000 + moment
        elif step == "rename":
            log.rename(log.with_name(f"mail.log.{moment}"))
            log.touch()
            os.utime(log, (1_000_000 + moment,) * 2)
        elif step == "copy":
            if tail.place is None or not tail.place.offset:
                got += read(tail)  # a running agent knows an empty file by nothing
                seen_s = 1_000_000 + moment
            shutil.copy2(log, log.with_name(f"mail.log.{moment}"))
            os.truncate(log, 0)
            os.utime(log, (1_000_000 + moment,) * 2)
        elif step == "restart":
            tail = again(tail, log, seen_s)
        else:
            got += read(tail)
            seen_s = 1_000_000 + moment
    tail.close()
    assert got == [b"line %d" % number for number in range(wrote)]
