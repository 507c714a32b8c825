"""Where settings come from, and what is said when one of them is wrong.

Sources in rising order: defaults, ``postroom.toml`` in the data folder, the
environment (``POSTROOM_HTTP_BIND``), ``--set http.bind=...``. All that is wrong
is found in one pass and refuses the start.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.settings.declared import SECTIONS, Settings, declared
from appliance.settings.setting import Declared

FILE_NAME = "postroom.toml"
PREFIX = "POSTROOM_"
# These are no settings: the first are read by the command line and by failpoints,
# the last by the tests, whose children inherit it.
RESERVED = frozenset(
    {
        "POSTROOM_DATA",
        "POSTROOM_PROVIDER_PASSWORD",
        "POSTROOM_FAILPOINT",
        "POSTROOM_REQUIRE_INTEGRATION",
    }
)
OF_AGENT = "POSTROOM_AGENT_"  # the log agent has options of its own
DEFAULT = "default"
MAX_FILE_BYTES = 1 << 20
_SHOWN_CHARS = 60
_HEADER = re.compile(r"\s*\[\s*([\w\-]+(?:\s*\.\s*[\w\-]+)*)\s*\]")
_ASSIGNED = re.compile(r"\s*([\w\-]+(?:\s*\.\s*[\w\-]+)*)\s*=")
_QUOTES = str.maketrans("", "", "\"'")
_SYNTAX = re.compile(r"(.*) \(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where it stands, what about, and what would be right."""

    place: str
    key: str
    message: str

    def __str__(self) -> str:
        subject = f"{self.key} " if self.key else ""
        return f"{self.place}: {subject}{self.message}"


class SettingsError(Exception):
    """Some settings are wrong; ``problems`` names all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings and, for each that is not the default, the place it came from."""

    settings: Settings
    places: Mapping[str, str] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Where the value of ``key`` was given."""
        return self.places.get(key, DEFAULT)


@dataclass(frozen=True, slots=True)
class _Given:
    place: str
    key: str
    value: object


def load_settings(
    data: Path,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force for the data folder ``data``.

    Raises:
        SettingsError: a setting that is unknown or wrong, in any of the sources.
    """
    return load_with_places(data, overrides, environ).settings


def load_with_places(
    data: Path,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """As ``load_settings``, and also where each value came from.

    Raises:
        SettingsError: a setting that is unknown or wrong, in any of the sources.
    """
    known = dict(declared())
    problems: list[Problem] = []
    given = [
        *_from_file(data / FILE_NAME, problems),
        *_from_environ(environ or {}),
        *_from_overrides(overrides, problems),
    ]
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    for one in given:
        problem = _take(one, known, values)
        if problem is not None:
            problems.append(problem)
        places[one.key] = one.place
    if problems:
        raise SettingsError(problems)
    return Loaded(_build(values), places)


def value_of(settings: Settings, key: str) -> object:
    """The value of the setting with the full name ``key``."""
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def _take(
    one: _Given, known: Mapping[str, Declared[object]], values: dict[str, object]
) -> Problem | None:
    setting = known.get(one.key)
    if setting is None:
        return Problem(one.place, one.key, f"is no setting{_nearest(one.key, known)}")
    try:
        values[one.key] = setting.kind.read(one.value)
    except ValueError:
        shown = repr(one.value)[:_SHOWN_CHARS]
        message = f"is {shown}; expected {setting.kind.expected}"
        return Problem(one.place, one.key, message)
    return None


def _nearest(key: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1)
    if not close:  # the right name in the wrong section
        by_name = {name.partition(".")[2]: name for name in names}
        last = key.rpartition(".")[2]
        close = [by_name[it] for it in difflib.get_close_matches(last, by_name, n=1)]
    return f"; did you mean {close[0]}?" if close else ""


def _build(values: Mapping[str, object]) -> Settings:
    sections: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections[section][name] = value
    built = {name: kind(**sections[name]) for name, kind in SECTIONS.items()}
    return Settings(**built)


def _from_environ(environ: Mapping[str, str]) -> Iterator[_Given]:
    for variable, value in sorted(environ.items()):
        reserved = variable in RESERVED or variable.startswith(OF_AGENT)
        if variable.startswith(PREFIX) and not reserved:
            key = variable.removeprefix(PREFIX).lower().replace("_", ".", 1)
            yield _Given(f"environment {variable}", key, value)


def _from_overrides(
    overrides: Iterable[str], problems: list[Problem]
) -> Iterator[_Given]:
    for text in overrides:
        key, equals, value = text.partition("=")
        if equals:
            yield _Given("--set", key.strip(), value)
        else:
            problems.append(Problem("--set", text, "has no value; write name=value"))


def _from_file(path: Path, problems: list[Problem]) -> Iterator[_Given]:
    try:
        text = _read_text(path)
        tables = tomllib.loads(text)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(Problem(str(path), "", f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "", "is not UTF-8 text"))
    except tomllib.TOMLDecodeError as error:
        problems.append(_syntax_problem(path, str(error)))
    else:
        lines = _lines_of_keys(text)
        for key, value in _flatten(tables):
            line = lines.get(key) or lines.get(key.partition(".")[0])
            place = f"{path}, line {line}" if line else str(path)
            yield _Given(place, key, value)


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise OSError(0, f"larger than {MAX_FILE_BYTES} bytes")
    return raw.decode()


def _syntax_problem(path: Path, error: str) -> Problem:
    match = _SYNTAX.fullmatch(error)
    if match is None:
        return Problem(str(path), "", f"is not TOML: {error}")
    place = f"{path}, line {match[2]}"
    return Problem(place, "", f"{match[1]}; write name = value as TOML does")


def _flatten(tables: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for section, content in tables.items():
        if isinstance(content, dict):
            for name, value in content.items():
                yield f"{section}.{name}", value
        else:
            yield section, content


def _lines_of_keys(text: str) -> dict[str, int]:
    """Where each key is first written; tomllib keeps no lines."""
    found: dict[str, int] = {}
    table = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.translate(_QUOTES)
        if header := _HEADER.match(line):
            table = "".join(header[1].split()) + "."
            found.setdefault(table.rstrip("."), number)
        elif assigned := _ASSIGNED.match(line):
            found.setdefault(table + "".join(assigned[1].split()), number)
    return found
