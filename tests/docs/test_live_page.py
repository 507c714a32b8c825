"""The page about the websocket is true of parameters, formats and settings."""

import re
from pathlib import Path

from appliance.dialects.webhooks import WEBHOOKS
from appliance.docs import read_page
from appliance.edge import live_reader
from appliance.edge.knock import read_knock
from appliance.edge.live_forms import forms_of
from appliance.edge.subscription import Wish
from appliance.edge.tickets import GOOD_SECONDS
from appliance.settings.declared import declared
from tests.fakes.store import open_temp_store

PAGE = read_page("live") or ""
_ID = "0198c0de-0000-7000-8000-000000000000"
SAMPLES = {
    "after": "1",
    "type": "sent",
    "message": _ID,
    "subAccount": "1",
    "since": "2026-01-01",
    "until": "2026-01-02",
    "format": "postroom",
}


def rows(heading: str) -> list[list[str]]:
    """The table whose first column is called so."""
    lines = PAGE.partition(f"| {heading} |")[2].splitlines()[2:]
    end = next(at for at, line in enumerate(lines) if not line.startswith("|"))
    return [[cell.strip() for cell in one.strip("|").split("|")] for one in lines[:end]]


def names(cells: list[list[str]]) -> list[str]:
    """What the first cells have in backquotes."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell[0])]


def test_every_parameter_it_names_is_there() -> None:
    """Each is understood by itself."""
    told = names(rows("parameter"))
    assert len(told) == len(SAMPLES) + 7
    for name in told:
        knock = read_knock(f"/live?{name}={SAMPLES.get(name, 'x')}")
        assert isinstance(knock.wish, Wish), name


async def test_it_names_every_format(tmp_path: Path) -> None:
    """All dialects, with their variants."""
    async with open_temp_store(tmp_path) as store:
        assert names(rows("format")) == list(forms_of(store))
    assert all(f"`{name}`" in PAGE for name in WEBHOOKS)


def test_it_names_every_close_code_of_ours() -> None:
    """1009 is the library's."""
    codes = {
        live_reader.GOING_AWAY,
        live_reader.NO_LONGER_ALLOWED,
        live_reader.TRY_AGAIN,
        live_reader.TOO_SLOW,
    }
    assert {int(row[0]) for row in rows("close code")} == codes | {1009}


def test_it_explains_every_setting_and_no_other() -> None:
    """A setting that is new, or gone, is noticed here."""
    named = set(re.findall(r"`(live\.[a-z_]+)", PAGE))
    assert named == {name for name, _ in declared() if name.startswith("live.")}


def test_a_ticket_lasts_as_long_as_it_says() -> None:
    """In the example of an answer."""
    assert f'"seconds":{GOOD_SECONDS}' in PAGE


def test_the_python_example_is_python() -> None:
    """It can be copied as it stands."""
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    compile(example, "live.md", "exec")
