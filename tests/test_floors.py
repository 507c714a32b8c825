"""The house of DESIGN section 3, read from the imports of every file.

A folder imports only from lower floors and from itself. The tables below are the
rule; the checker under them is held by small bad examples.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

APPLIANCE = Path(__file__).parents[1] / "appliance"

FLOORS = {
    "settings": 0,
    "log": 0,
    "failpoint": 0,
    "processor": 0,
    "value": 0,
    "docs": 0,
    "core": 1,
    "smtp": 1,
    "mime": 2,
    "dialects": 2,
    "store": 2,
    "net": 3,
    "flow": 4,
    "edge": 5,
}
# Rides beside Postfix, so it stays small: these and itself.
AGENT = frozenset({"agent", "core", "net", "settings", "log", "value"})
# The top of the house.
ANYTHING = frozenset({"cli", "serve", "demo", "__main__", "__init__"})

WITHOUT_TRIO = frozenset({"core", "smtp", "mime", "dialects"})
# `postroom version` names SQLite's version; it opens no database.
SQLITE_OUTSIDE_STORE = frozenset({"cli/version.py"})
VENDOR_WORDS = (
    "sendpost",
    "anypost",
    "postscale",
    "tpsp",
    "ippool",
    "cssent",
    "x-anypost",
)
# What a vendor's log agent is documented to be called by.
VENDOR_WORDS_ALLOWED = frozenset({"agent/names.py", "cli/agent.py"})
_VENDOR_WORD = re.compile("|".join(VENDOR_WORDS), re.IGNORECASE)
# The kinds of node that name a module or hold a text; the others are most of a tree.
_TELLING = (
    ast.Import,
    ast.ImportFrom,
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.arg,
    ast.keyword,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)


@dataclass(frozen=True, slots=True)
class File:
    """One module of the package, parsed."""

    path: Path
    root: Path
    nodes: tuple[ast.AST, ...]

    @property
    def name(self) -> str:
        """Its path below the package: `core/ids.py`."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def room(self) -> str:
        """The folder or top-level module it belongs to: `core`, `serve`."""
        return self.name.split("/", maxsplit=1)[0].removesuffix(".py")

    def imports(self) -> Iterator[str]:
        """Every module it imports, by full name: `appliance.core.ids`, `trio`."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                if base == "appliance":
                    yield from (f"appliance.{alias.name}" for alias in node.names)
                else:
                    yield base

    def _absolute(self, node: ast.ImportFrom) -> str:
        if node.level == 0:
            return node.module or ""
        package = ["appliance", *self.name.split("/")[:-1]]
        parents = package[: len(package) - node.level + 1]
        return ".".join([*parents, *filter(None, [node.module])])

    def rooms_imported(self) -> set[str]:
        """The rooms of this house it imports from."""
        split = (name.split(".") for name in self.imports())
        own = {parts[1] for parts in split if parts[0] == "appliance" and parts[1:]}
        return own - {"__version__"}

    def libraries_imported(self) -> set[str]:
        """The top-level modules of others it imports."""
        return {name.split(".")[0] for name in self.imports()} - {"appliance"}


def files_of(root: Path) -> Iterator[File]:
    """Every module under `root`, one at a time: all trees together are much to keep."""
    for path in sorted(root.rglob("*.py")):
        yield File(path, root, _nodes(path))


def _nodes(path: Path) -> tuple[ast.AST, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return tuple(node for node in ast.walk(tree) if isinstance(node, _TELLING))


def complaints(root: Path) -> list[str]:
    """Every breach of the house rules under `root`, one sentence each."""
    found: list[str] = []
    signers: list[str] = []
    for file in files_of(root):
        found += _complaints_of(file)
        if "dkim" in file.libraries_imported():
            signers.append(file.name)
    if len(signers) > 1:
        found.append(f"dkim is imported by {' and '.join(signers)}")
    return found


def _complaints_of(file: File) -> Iterator[str]:
    for room in sorted(file.rooms_imported()):
        if not _may_import(file.room, room):
            yield f"{file.name} imports {room}"
    if file.room not in {*FLOORS, *ANYTHING, "agent"}:
        yield f"{file.name} is on no floor"
    for library in sorted(file.libraries_imported()):
        if not _may_use(file, library):
            yield f"{file.name} imports {library}"
    if file.room != "dialects" and file.name not in VENDOR_WORDS_ALLOWED:
        for word, line in _vendor_words(file.nodes):
            yield f"{file.name}:{line} says {word}"


def _may_import(importer: str, imported: str) -> bool:
    if importer == imported or importer in ANYTHING:
        return True
    if importer == "agent":
        return imported in AGENT
    return FLOORS.get(imported, 99) < FLOORS.get(importer, 0)


def _may_use(file: File, library: str) -> bool:
    if library == "trio" and file.room in WITHOUT_TRIO:
        return False
    if library == "aiosqlite":
        return file.room == "store"
    if library == "sqlite3":
        return file.room == "store" or file.name in SQLITE_OUTSIDE_STORE
    return file.room != "core" or library in sys.stdlib_module_names


def _vendor_words(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    """Vendor words in strings and names, but for modules taken from dialects."""
    taken = _taken_from_dialects(nodes)
    for node in nodes:
        for text in _texts(node):
            if text not in taken and (word := _vendor_word(text)):
                yield word, getattr(node, "lineno", 0)


def _taken_from_dialects(nodes: Sequence[ast.AST]) -> set[str]:
    return {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("appliance.dialects")
        for alias in node.names
    }


def _texts(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Constant(value=bytes() as raw):
            yield raw.decode("latin-1")
        case ast.Name(id=text) | ast.Attribute(attr=text) | ast.arg(arg=text):
            yield text
        case ast.keyword(arg=str() as text):
            yield text
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name


def _vendor_word(text: str) -> str | None:
    if not _VENDOR_WORD.search(text):  # as hardly any does
        return None
    lower = text.lower()
    return next((word for word in VENDOR_WORDS if word in lower), None)


def test_the_house_stands() -> None:
    """Every file imports from lower floors only, and each library has its place."""
    assert complaints(APPLIANCE) == []


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("core/a.py", "import appliance.store.rows", "core/a.py imports store"),
        ("core/a.py", "from appliance import flow", "core/a.py imports flow"),
        ("core/a.py", "from ..smtp import reply", "core/a.py imports smtp"),
        ("smtp/a.py", "from appliance.core import ids", "smtp/a.py imports core"),
        ("store/a.py", "from appliance.mime import dsn", "store/a.py imports mime"),
        ("net/a.py", "def f():\n import appliance.edge", "net/a.py imports edge"),
        ("settings.py", "from appliance.log import x", "settings.py imports log"),
        ("agent/a.py", "from appliance.store import x", "agent/a.py imports store"),
        ("flow/a.py", "from appliance.cli import x", "flow/a.py imports cli"),
        ("util/a.py", "", "util/a.py is on no floor"),
        ("core/a.py", "import msgspec", "core/a.py imports msgspec"),
        ("mime/a.py", "import trio.abc", "mime/a.py imports trio"),
        ("dialects/x/a.py", "import trio", "dialects/x/a.py imports trio"),
        ("flow/a.py", "import sqlite3", "flow/a.py imports sqlite3"),
        ("cli/a.py", "import aiosqlite", "cli/a.py imports aiosqlite"),
        ("edge/a.py", "\nX = 'X-AnyPost-Tag'", "edge/a.py:2 says anypost"),
        ("edge/a.py", "X = b'CSSent'", "edge/a.py:1 says cssent"),
        ("flow/a.py", "def parse_tpsp(): ...", "flow/a.py:1 says tpsp"),
        ("core/a.py", "f(ippool=1)", "core/a.py:1 says ippool"),
        ("core/a.py", "'''As in SendPost.'''", "core/a.py:1 says sendpost"),
    ],
)
def test_a_breach_is_named(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    """Each rule can fail, and says which file broke it."""
    _write(tmp_path, name, text)
    assert complaints(tmp_path) == [complaint]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core/a.py", "import json\nfrom appliance.core.ids import x"),
        ("core/a.py", "from . import ids\nfrom .ids import x"),
        ("mime/a.py", "from appliance.core import ids\nimport dkim"),
        ("net/a.py", "import trio\nfrom appliance.smtp.reply import Reply"),
        ("store/a.py", "import sqlite3, aiosqlite"),
        ("cli/version.py", "import sqlite3, appliance"),
        ("agent/names.py", "X = 'X-Sendpost-Message-UUID'"),
        ("agent/a.py", "from appliance.net import tls\nfrom appliance import log"),
        ("edge/a.py", "from appliance.dialects import sendpost\nf(sendpost)"),
        ("dialects/postscale/a.py", "X = 'postscale'"),
        ("serve.py", "from appliance.edge import live\nfrom appliance.cli import x"),
    ],
)
def test_what_the_house_allows_passes(tmp_path: Path, name: str, text: str) -> None:
    """The checker does not cry wolf over imports that the design wants."""
    _write(tmp_path, name, text)
    assert complaints(tmp_path) == []


def test_a_second_signer_is_named(tmp_path: Path) -> None:
    """The signing library stays behind one file."""
    _write(tmp_path, "mime/dkim.py", "import dkim")
    _write(tmp_path, "flow/sign.py", "from dkim import DKIM")
    assert complaints(tmp_path) == [
        "dkim is imported by flow/sign.py and mime/dkim.py",
    ]


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
