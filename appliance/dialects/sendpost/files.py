"""Attachments: base64 to bytes, counted before they are decoded."""

import binascii
from collections.abc import Sequence

from appliance.core.submission import Attachment
from appliance.dialects.sendpost import wire
from appliance.dialects.sendpost.errors import Problem, invalid

_NO_LINE_BREAKS = str.maketrans("", "", "\r\n")


def read_files(
    files: Sequence[wire.File], limit_bytes: int
) -> tuple[Attachment, ...] | Problem:
    """The decoded files, or what is wrong with the first bad one."""
    attachments = []
    left = limit_bytes
    for index, file in enumerate(files):
        text = _without_line_breaks(file.content)
        left -= len(text) // 4 * 3 - text[-2:].count("=")
        if left < 0:
            return invalid(
                "attachments",
                f"The attachments are larger than {limit_bytes} bytes in all",
            )
        content = _decode(text)
        if content is None:
            path = f"attachments[{index}].content"
            return invalid(path, f"{path} is not base64")
        attachments.append(Attachment(file.filename, content))
    return tuple(attachments)


def _without_line_breaks(text: str) -> str:
    # RFC 2045 6.8 breaks the lines; many encoders do so for JSON as well.
    if "\n" in text or "\r" in text:
        return text.translate(_NO_LINE_BREAKS)
    return text


def _decode(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, and text outside ASCII
        return None
