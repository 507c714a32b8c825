"""Mail that came in as bytes, made ready once for all of its recipients.

It leaves as it came. Only what is tracked changes, and of that only the HTML
parts in which something is replaced; every byte around them stays.
"""

from appliance.mime.links import MakeUrl
from appliance.mime.markup_part import Edit, MarkupPart
from appliance.mime.parts import find_html


class RawTemplate:
    """A message and, once they are asked for, its HTML parts.

    May be used from several threads: what two find at once is the same.
    """

    __slots__ = ("_found", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._found: tuple[MarkupPart, ...] | None = None

    @classmethod
    def compile(cls, data: bytes) -> "RawTemplate":
        """A template of the message ``data``, which is not looked at yet."""
        return cls(data)

    def render(self, make: MakeUrl | None, pixel_url: str = "") -> bytes:
        """The message with the links that ``make`` replaces, and one pixel.

        Links are numbered through all parts. No ``make`` leaves the links, no
        ``pixel_url`` leaves the pixel out; with neither it is ``data`` itself.
        """
        if make is None and not pixel_url:
            return self.data
        parts = self._parts()
        last = _shown_last(parts)
        edits: list[Edit] = []
        links = 0
        for part in parts:
            shifted = None if make is None else _shifted(make, links)
            edits += part.edits(shifted, pixel_url if part is last else "")
            links += len(part.markup.links)
        return self._splice(edits)

    def _parts(self) -> tuple[MarkupPart, ...]:
        found = self._found
        if found is None:
            read = (MarkupPart.read(self.data, one) for one in find_html(self.data))
            found = self._found = tuple(part for part in read if part is not None)
        return found

    def _splice(self, edits: list[Edit]) -> bytes:
        if not edits:
            return self.data
        out: list[bytes] = []
        done = 0
        for start, end, octets in edits:
            out += (self.data[done:start], octets)
            done = end
        out.append(self.data[done:])
        return b"".join(out)


def _shown_last(parts: tuple[MarkupPart, ...]) -> MarkupPart | None:
    """The HTML that a reader shows, and of that the end: where a pixel belongs.

    Of the first alternatives the last, which readers prefer (RFC 2046 5.1.4);
    without alternatives the last of all.
    """
    numbers = [part.place.alternative for part in parts]
    first = next(filter(None, numbers), 0)
    shown = [part for part in parts if part.place.alternative == first]
    return shown[-1] if shown else None


def _shifted(make: MakeUrl, first: int) -> MakeUrl:
    return lambda number, target: make(first + number, target)
