"""Which delivery a queue id is, for as many as are in a queue, and no longer.

Two generations stand for an order of use: what is asked for moves to the young one,
and when that is full or old, it becomes the old one, and what was old is forgotten. So
an entry lives for five days after it was last of use (Postfix gives up by then), or
until others need its place. What was forgotten comes back by itself: Postfix logs the
return path anew whenever it takes a mail up again.
"""

from collections.abc import Iterator, Mapping

from appliance.agent.maillog import By

GENERATION = 10_000  # entries of some 160 bytes
HALF_LIFE_S = 5 * 86_400 / 2
_UUID_BYTES = 16
_BYS = tuple(By)  # quicker than to ask the enum
_UNNAMED = bytes([By.NOTHING])


class QueueIds:
    """The bounded map; a value is how it was found, and the UUID if there is one."""

    def __init__(self, most: int = GENERATION) -> None:
        self._most = most
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._turned_s = 0.0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __contains__(self, queue_id: bytes) -> bool:
        return queue_id in self._young or queue_id in self._old

    def find(self, queue_id: bytes) -> tuple[By, bytes]:
        """How it was found and the UUID's 16 bytes; NOTHING and b"" if it is none."""
        value = self._young.get(queue_id)
        if value is None:
            value = self._old.pop(queue_id, None)
            if value is None:
                return By.NOTHING, b""
            self._young[queue_id] = value
        return _BYS[value[0]], value[1:]

    def put(self, queue_id: bytes, by: By, uuid: bytes, now_s: float) -> None:
        """From now on the queue id is this delivery, or nothing of ours."""
        if len(self._young) >= self._most or now_s - self._turned_s > HALF_LIFE_S:
            self._turn(now_s)
        self._old.pop(queue_id, None)
        self._young[queue_id] = bytes([by]) + uuid if uuid else _UNNAMED

    def remove(self, queue_id: bytes) -> None:
        """The queue id is free."""
        self._young.pop(queue_id, None)
        self._old.pop(queue_id, None)

    def dump(self) -> Mapping[str, str]:
        """All of it in words that JSON can hold."""
        return {name.decode("ascii"): value.hex() for name, value in self._items()}

    def load(self, words: Mapping[str, str]) -> None:
        """Take over what was dumped; what is none of it is left out."""
        for name, text in words.items():
            value = _value(text)
            if value and name.isascii():
                self._young[name.encode()] = value

    def _items(self) -> Iterator[tuple[bytes, bytes]]:
        yield from self._old.items()
        yield from self._young.items()

    def _turn(self, now_s: float) -> None:
        self.forgotten += len(self._old)
        self._old, self._young = self._young, {}
        self._turned_s = now_s


def _value(text: object) -> bytes:
    """The value that was dumped as this, b"" if none was."""
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else b""
        by = By(value[0]) if value else By.NOTHING
    except ValueError:
        return b""
    return value if len(value) == (1 + _UUID_BYTES if by else 1) else b""
