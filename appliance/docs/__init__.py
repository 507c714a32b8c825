"""Pages that travel with the program and are served by it, as Markdown."""

import re
from importlib import resources

_NAME = re.compile(r"[a-z0-9-]{1,50}")


def read_page(name: str) -> str | None:
    """The text of a page, or None if there is none of that name."""
    if not _NAME.fullmatch(name):
        return None
    page = resources.files(__name__) / f"{name}.md"
    return page.read_text() if page.is_file() else None
