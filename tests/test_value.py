"""A value is a frozen dataclass to everybody but the interpreter."""

from copy import copy
from dataclasses import field, fields, replace
from enum import auto

import pytest

from appliance.value import Key, value


@value
class Envelope:
    """A sender, a recipient, and what is not shown."""

    sender: str
    recipient: str = "nobody@example.com"
    password: str = field(default="", repr=False)


def test_values_are_equal_and_hash_by_what_they_hold() -> None:
    """Two that say the same are one key in a table, others are not."""
    one, same = Envelope("a@example.com"), Envelope("a@example.com")
    assert one == same
    assert len({one: 1, same: 2}) == 1
    assert one != Envelope("b@example.com")


def test_values_are_shown_replaced_and_matched_as_dataclasses_are() -> None:
    """Fields that are not for eyes stay out of sight."""
    one = replace(Envelope("a@example.com", password="hunter2"), sender="c@example.com")
    assert [each.name for each in fields(one)] == ["sender", "recipient", "password"]
    assert "hunter2" not in repr(one)
    match one:
        case Envelope(sender, recipient):
            assert (sender, recipient) == ("c@example.com", "nobody@example.com")


def test_values_have_no_room_for_more() -> None:
    """They have slots: a name that is no field cannot be set."""
    with pytest.raises(AttributeError):
        Envelope("a@example.com").sendr = "typo"  # type: ignore[attr-defined]


def test_the_type_checker_keeps_values_frozen() -> None:
    """An unused ``ignore`` is an error: if nothing forbade this, the check would fail.

    At run time nothing does, which is what makes a value cheap.
    """
    one = Envelope("a@example.com")
    one.sender = "b@example.com"  # type: ignore[misc]
    assert one.sender == "b@example.com"


class Colour(Key):
    """Some members."""

    RED = auto()
    GREEN = auto()


def test_keys_find_their_place_in_a_table() -> None:
    """A member is itself, however it was come by, and nothing else."""
    table = {Colour.RED: 1, Colour.GREEN: 2}
    assert table[Colour["RED"]] == table[Colour(Colour.RED.value)] == 1
    assert copy(Colour.GREEN) in table


def test_keys_are_not_hashed_in_python() -> None:
    """What Enum does to hash its name costs more than the table does."""
    assert vars(Key)["__hash__"] is object.__hash__
