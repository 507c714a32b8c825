"""What recipients do with a mail: its pixel, its links, its unsubscribe page.

A token is believed if its authenticator is ours; the fact is on disk before the
answer. What has been sent keeps working when its delivery has been forgotten.
Texts from the visitor are hostile and cut.
"""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.core.address import parse_address
from appliance.core.event import EventType, Scalar
from appliance.core.ids import SubAccountId
from appliance.core.suppression import SuppressionReason
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.flow.directory import DirectoryKeeper
from appliance.store.database import Store
from appliance.store.engagement import Engagement, record_engagement
from appliance.store.suppressions import add_suppression

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

    async def record(self, token: Token, visitor: Visitor) -> bool:
        """True if the hit is on disk: an event, or at least an unsubscribe.

        A delivery that retention has removed gets no event any more.

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
        if token.kind is not TokenKind.UNSUBSCRIBE:
            return known is not None
        if known is None and not await self._suppress(token):
            return False
        await self._directory.refresh_suppressions()
        return True

    async def _suppress(self, token: Token) -> bool:
        """Heed the wish of someone whose mail we have forgotten."""
        sub_account, _, text = token.target.partition(":")
        address = parse_address(text)
        if address is None:
            return False
        await self._store.write(
            add_suppression,
            SubAccountId(int(sub_account)),
            address,
            reason=SuppressionReason.UNSUBSCRIBE,
            now_ns=self._clock(),
        )
        return True
