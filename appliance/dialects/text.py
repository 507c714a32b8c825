"""What a string must be before it may become part of a header.

Decides which characters no header carries; which fields a sender may not set is
said in core. How a clean string is written (folding, encoded words) is for mime.
"""

import re

# C0 with TAB, DEL, C1, the line and paragraph separators that some mail
# programs break lines at, and halves of surrogate pairs (ATTACKS 9).
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def has_control(text: str) -> bool:
    """True if ``text`` holds a character that no header may carry."""
    # Most text is printable, and asking so is ten times as fast as a search.
    return not text.isprintable() and _CONTROL.search(text) is not None
