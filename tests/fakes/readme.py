"""README.md as the tests read it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


def commands(kind: str) -> list[str]:
    """The shell commands of these blocks; a quoted text may go over many lines."""
    found: list[str] = []
    begun = ""
    for line in "\n".join(blocks(kind)).replace("\\\n", "").splitlines():
        begun += line + "\n"
        if begun.count("'") % 2 == 0:
            found.append(begun.strip().removeprefix("$ "))
            begun = ""
    return [one for one in found if one]


def table_rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first column is called ``heading``."""
    after = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in after[2:]]
