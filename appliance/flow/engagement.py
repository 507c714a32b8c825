"""What recipients do with a mail: its pixel, its links, its unsubscribe page.

A token is believed only if its authenticator is ours and its delivery is known;
then the fact is on disk before the answer. Texts from the visitor are hostile
and cut.
"""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.core.event import EventType, Scalar
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.flow.directory import DirectoryKeeper
from appliance.store.database import Store
from appliance.store.engagement import Engagement, record_engagement
from appliance.store.messages import get_message

MAX_AGENT = 300  # characters
MAX_IP = 45

_TYPES = {
    TokenKind.OPEN: EventType.OPENED,
    TokenKind.CLICK: EventType.CLICKED,
    TokenKind.UNSUBSCRIBE: EventType.UNSUBSCRIBED,
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a hit says about who made it."""

    ip: str = ""
    user_agent: str = ""


class EngagementDesk:
    """Turns hits on tracking links into events."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        tokens: TokenMaker,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._directory = directory
        self._tokens = tokens
        self._clock = clock

    def read(self, kind: TokenKind, text: str) -> Token | None:
        """What a token says if it is one of ours; records nothing."""
        return self._tokens.read(text, kind)

    async def knows(self, token: Token) -> bool:
        """True if the token's delivery is known; records nothing.

        Raises:
            StoreUnavailable: the disk does not play along.
        """
        return bool(await self._store.read(get_message, token.delivery))

    async def record(self, token: Token, visitor: Visitor) -> bool:
        """True if the token's delivery is known; then the hit is on disk.

        Raises:
            StoreUnavailable: it could not be recorded.
        """
        data: dict[str, Scalar] = {
            "ip": visitor.ip[:MAX_IP],
            "userAgent": visitor.user_agent[:MAX_AGENT],
        }
        if token.kind is TokenKind.CLICK:
            data |= {"url": token.target, "link": token.link}
        hit = Engagement(_TYPES[token.kind], token.delivery, self._clock(), data)
        known = await self._store.write_each(record_engagement, hit)
        if known is not None and token.kind is TokenKind.UNSUBSCRIBE:
            await self._directory.refresh_suppressions()
        return known is not None
