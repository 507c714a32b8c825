"""What outlives the agent."""

from pathlib import Path

import pytest

from appliance.agent.keeper import Busy, Keeper, Kept
from appliance.agent.place import Cursor, FilePlace, read_place

LOG = "/var/log/mail.log"
PLACE = FilePlace(1, 2, 300, 20, "abcd", 5.5)
BEFORE = FilePlace(1, 2, 100, 20, "abce", 4.5)


def keep(folder: Path, source: str = LOG) -> Kept:
    """What the next agent finds."""
    keeper = Keeper(folder, source)
    kept = keeper.load()
    keeper.close()
    return kept


def test_place_and_queue_ids_come_back(tmp_path: Path) -> None:
    """The place may be ahead of the ids, in the same file."""
    keeper = Keeper(tmp_path, LOG)
    assert keeper.load() == Kept()
    keeper.keep_ids(BEFORE, {"A": "04"})
    keeper.keep_place(PLACE)
    keeper.close()
    assert keep(tmp_path) == Kept(PLACE, BEFORE, {"A": "04"})


@pytest.mark.parametrize(
    "place", [FilePlace(1, 3, 300), FilePlace(1, 2, 50), Cursor("x")]
)
def test_ids_of_elsewhere_are_no_start(
    tmp_path: Path, place: FilePlace | Cursor
) -> None:
    """To go on there would not lead to the place."""
    keeper = Keeper(tmp_path, LOG)
    keeper.keep_ids(BEFORE, {"A": "04"})
    keeper.keep_place(place)
    keeper.close()
    assert keep(tmp_path) == Kept(place, None, {"A": "04"})


def test_another_log_has_no_place_yet(tmp_path: Path) -> None:
    """The option was changed."""
    keeper = Keeper(tmp_path, LOG)
    keeper.keep_place(PLACE)
    keeper.close()
    assert keep(tmp_path, "journal") == Kept()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"place": 1}', "[" * 99999])
def test_what_is_broken_counts_as_not_there(tmp_path: Path, text: str) -> None:
    """A file that somebody has touched stops nobody."""
    for name in ("place.json", "queue-ids.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert keep(tmp_path) == Kept()


@pytest.mark.parametrize(
    "words",
    [
        {"device": 1},
        {"device": "1", "inode": 2, "offset": 3},
        {"device": 1, "inode": 2, "offset": -3},
        {"device": 1, "inode": 2, "offset": 3, "other": 4},
        {"cursor": 5},
        {"cursor": "x", "at_us": "y"},
    ],
)
def test_what_is_no_place_is_none(words: dict[str, object]) -> None:
    """Types are checked, since nobody else does."""
    assert read_place(words) is None


def test_one_agent_has_the_folder(tmp_path: Path) -> None:
    """Two would report everything twice."""
    keeper = Keeper(tmp_path, LOG)
    with pytest.raises(Busy):
        Keeper(tmp_path, LOG)
    keeper.close()
    Keeper(tmp_path, LOG).close()
