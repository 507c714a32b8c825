"""What the query of a websocket handshake says beside the wish: format and ticket."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from appliance.edge.subscription import Refused, Wish, read_wish

_MAX_PARAMETERS = 20
_OURS = ("format", "ticket")


@dataclass(frozen=True, slots=True)
class Knock:
    """What a handshake asks for, in which format, and with which ticket, if any."""

    wish: Wish | Refused
    form: str | None = None
    ticket: str | None = None


def read_knock(target: str) -> Knock:
    """The words of a handshake; what is wrong with them is told by the wish."""
    query = target.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return Knock(Refused(400, "too many parameters"))
    ours = dict(pair for pair in pairs if pair[0] in _OURS)
    others = [pair for pair in pairs if pair[0] not in _OURS]
    wish = read_wish("?" + urlencode(others))
    if len(ours) + len(others) < len(pairs):
        wish = Refused(400, "format or ticket is given twice")
    return Knock(wish, ours.get("format"), ours.get("ticket"))
