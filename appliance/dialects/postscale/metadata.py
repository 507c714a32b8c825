"""The headers that become a mail's metadata (spec 5.3).

They stay in the mail. One that is out of bounds is no metadata, and no reason to
refuse the mail either.
"""

import re
from collections.abc import Sequence

from appliance.core.encoded_words import decode_words

PREFIX = "x-postscale-metadata-"
MAX_PAIRS = 50
MAX_VALUE_CHARS = 1_024

_KEY = re.compile(r"[a-z0-9._-]{1,64}")


def read_metadata(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The metadata in these headers; of a repeated key the last value counts.

    Names are in lower case, since client libraries change theirs; values are
    unfolded and trimmed.
    """
    metadata: dict[str, str] = {}
    for name, value in headers:
        key = name.removeprefix(PREFIX)
        if key == name or not _KEY.fullmatch(key):
            continue
        if key not in metadata and len(metadata) == MAX_PAIRS:
            continue
        text = decode_words(value).strip()
        if len(text) <= MAX_VALUE_CHARS:
            metadata[key] = text
    return metadata
