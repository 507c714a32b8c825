"""A queue for each of several owners, who are served in turn."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Turns(Generic[K, T]):
    """What waits, by whose it is: one that has much delays the others by one each."""

    def __init__(self) -> None:
        self._of: dict[K, deque[T]] = {}
        self._order: deque[K] = deque()  # each that has something, once
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, owner: K, item: T) -> None:
        """Let something wait behind what else its owner has."""
        if owner not in self._of:
            self._of[owner] = deque()
            self._order.append(owner)
        self._of[owner].append(item)
        self._length += 1

    def put_back(self, owner: K, item: T) -> None:
        """Have something that was taken be the next again."""
        if owner in self._of:
            self._order.remove(owner)
        else:
            self._of[owner] = deque()
        self._order.appendleft(owner)
        self._of[owner].appendleft(item)
        self._length += 1

    def take(self) -> T:
        """The first of the owner whose turn it is; there must be something."""
        owner = self._order.popleft()
        mine = self._of[owner]
        item = mine.popleft()
        if mine:
            self._order.append(owner)
        else:
            del self._of[owner]
        self._length -= 1
        return item
