"""The page about the log of events tells the truth about parameters and settings."""

import re

from appliance.docs import read_page
from appliance.edge.events_api import MAX_EXPORTS, MAX_LIMIT, read_query
from appliance.edge.keys import Viewer
from appliance.settings.declared import declared

PAGE = read_page("events") or ""
SAMPLES = {
    "after": "1",
    "before": "end",
    "limit": "5",
    "type": "sent,62",
    "message": "0198c0de-0000-7000-8000-000000000000",
    "subAccount": "1",
    "since": "2026-01-01",
    "until": "2026-01-31T12:00:00Z",
    "format": "csv",
}


def test_every_parameter_it_names_is_there() -> None:
    """Each is understood by itself, and changes what is asked for."""
    table = PAGE.partition("| parameter |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    told = [name for cell in cells for name in re.findall("`(.+?)`", cell)]
    assert len(told) == len(SAMPLES) + 7
    nothing = read_query({}, Viewer())
    for name in told:
        assert read_query({name: [SAMPLES.get(name, "x")]}, Viewer()) != nothing, name


def test_its_numbers_and_settings_are_those_of_the_code() -> None:
    """Bounds of a request, and how long what is kept."""
    assert f"1 to {MAX_LIMIT}" in PAGE
    assert MAX_EXPORTS == 4  # "four at a time"
    settings = set(dict(declared()))
    assert set(re.findall(r"`(retention\.\w+)`", PAGE)) <= settings
