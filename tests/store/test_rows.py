import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store.database import Store
from appliance.store.rows import insert_rows, update_rows
from appliance.store.transaction import View


@given(st.lists(st.tuples(st.integers(0, 2**62), st.text()), max_size=200))
def test_all_rows_arrive_in_order(rows: list[tuple[int, str]]) -> None:
    """However they are cut into statements."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a, b)")
    insert_rows(db, "INSERT INTO t (a, b)", rows)
    assert db.execute("SELECT a, b FROM t ORDER BY rowid").fetchall() == rows
    db.close()


@given(st.dictionaries(st.integers(1, 200), st.text(), max_size=150))
def test_each_row_is_updated_with_its_own_values(new: dict[int, str]) -> None:
    """And no other row is."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, b)")
    insert_rows(db, "INSERT INTO t", [(number, "old") for number in range(1, 201)])
    update_rows(
        db,
        "UPDATE t SET b = new.column2 {} WHERE t.id = new.column1",
        list(new.items()),
    )
    expected = [(number, new.get(number, "old")) for number in range(1, 201)]
    assert db.execute("SELECT id, b FROM t ORDER BY id").fetchall() == expected
    db.close()


@pytest.mark.parametrize("rows", [1, 4, 64])
async def test_an_update_finds_each_row_by_its_id(store: Store, rows: int) -> None:
    """Settling does not slow down as the table grows."""

    def plan(view: View) -> str:
        values = ", ".join(["(1, 2)"] * rows)
        found = view.db.execute(
            "EXPLAIN QUERY PLAN UPDATE delivery SET provider = new.column2"  # noqa: S608 - literals
            f" FROM (VALUES {values}) AS new WHERE delivery.id = new.column1"
        )
        return " | ".join(str(row[3]) for row in found)

    assert "SEARCH delivery USING INTEGER PRIMARY KEY" in await store.read(plan)
