"""DNS records as a zone file takes them (RFC 1035 5.1)."""

from appliance.core.domain import Record

TTL_SECONDS = 3600
MAX_STRING_CHARS = 255  # RFC 1035 3.3: a character-string has one octet of length


def txt_strings(value: str) -> list[str]:
    """The value of a TXT record in strings that DNS can carry."""
    starts = range(0, len(value), MAX_STRING_CHARS)
    return [value[start : start + MAX_STRING_CHARS] for start in starts] or [""]


def zone_line(record: Record) -> str:
    """The record on one line, its name absolute."""
    return f"{record.host}. {TTL_SECONDS} IN {record.type} {_data(record)}"


def _data(record: Record) -> str:
    if record.type != "TXT":
        return f"{record.value.rstrip('.')}."
    quoted = (
        '"' + part.replace("\\", r"\\").replace('"', r"\"") + '"'
        for part in txt_strings(record.value)
    )
    return " ".join(quoted)
