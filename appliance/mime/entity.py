"""MIME entities: one part of a mail with its own header, ready to be put together.

Whatever comes in, 7-bit lines of at most 998 octets that end in CRLF come out,
so no relay has to re-encode and break a signature (RFC 6376 5.3). An entity
ends where its content ends; whoever puts it somewhere adds the line end.
"""

from typing import NewType

from appliance.core.submission import Attachment
from appliance.mime.headers import parameter_field
from appliance.mime.transfer import base64_lines, is_seven_bit, quoted_printable
from appliance.mime.words import ascii_fallback

Entity = NewType("Entity", bytes)

# Fixed here, so that two machines send the same bytes; mimetypes reads files of
# the system. message/rfc822 is missing because base64 is forbidden there
# (RFC 2046 5.2.1).
_MEDIA_TYPES = {
    "7z": "application/x-7z-compressed",
    "aac": "audio/aac",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "bz2": "application/x-bzip2",
    "css": "text/css",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "gif": "image/gif",
    "gz": "application/gzip",
    "heic": "image/heic",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "m4a": "audio/mp4",
    "md": "text/markdown",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ogg": "audio/ogg",
    "p7m": "application/pkcs7-mime",
    "p7s": "application/pkcs7-signature",
    "pdf": "application/pdf",
    "pkpass": "application/vnd.apple.pkpass",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
}
_UNKNOWN_TYPE = "application/octet-stream"


def media_type(filename: str) -> str:
    """The media type that a file's name promises."""
    return _MEDIA_TYPES.get(filename.rpartition(".")[2].lower(), _UNKNOWN_TYPE)


def text_entity(subtype: str, text: str) -> Entity:
    """A text part, as it is where it may be, else in the shorter of the encodings.

    Line ends of any kind become CRLF.
    """
    data = _with_crlf(text).encode(errors="replace")
    if is_seven_bit(data):
        encoding, body = b"7bit", data
    else:
        encoding, body = b"quoted-printable", quoted_printable(data)
        if len(body) > len(data) * 1.37:  # the growth of base64 with its line ends
            encoding, body = b"base64", base64_lines(data)
    return Entity(
        b"Content-Type: text/%b; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: %b\r\n\r\n%b" % (subtype.encode(), encoding, body)
    )


def attachment_entity(attachment: Attachment) -> Entity:
    """A file; its name is in RFC 2231's form, and in ASCII for those who lack that.

    Raises:
        UnsafeHeader: the file name holds a control character.
    """
    name, kind = attachment.filename, media_type(attachment.filename)
    parameters = {"name": ascii_fallback(name)}
    if kind.startswith("text/") and _is_utf8(attachment.content):
        parameters["charset"] = "utf-8"
    return Entity(
        parameter_field("Content-Type", kind, parameters)
        + b"Content-Transfer-Encoding: base64\r\n"
        + parameter_field("Content-Disposition", "attachment", {"filename": name})
        + b"\r\n"
        + base64_lines(attachment.content)
    )


def _with_crlf(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n", "\r\n")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
