"""What recipients do with a mail: its pixel, its links, its unsubscribe page.

A token is believed if its authenticator is ours; the fact is on disk before the
answer. What has been sent keeps working when its delivery has been forgotten.
Texts from the visitor are hostile and cut. Of its IP address the operator keeps what
he wishes; who it is, is judged before.
"""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.core.engagement import NO_SIGN, Judgement, judge_visitor
from appliance.core.event import EventType, Scalar
from appliance.core.suppression import Scope, SuppressionReason
from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.core.unsubscribe import Leaver, read_leaver
from appliance.core.user_agent import parse_user_agent
from appliance.core.visitor import Keep, Visitor, kept_address
from appliance.flow.bursts import Bursts
from appliance.flow.directory import DirectoryKeeper
from appliance.store.about import about_deliveries
from appliance.store.database import Store
from appliance.store.engagement import Engagement, record_engagement
from appliance.store.errors import StoreUnavailable
from appliance.store.suppressions import add_suppression

MAX_AGENT = 300  # characters

_TYPES = {
    TokenKind.OPEN: EventType.OPENED,
    TokenKind.CLICK: EventType.CLICKED,
    TokenKind.UNSUBSCRIBE: EventType.UNSUBSCRIBED,
}


@dataclass(frozen=True, slots=True)
class Parting:
    """What an unsubscribe page may tell: who leaves, which topic, and whose mail.

    ``sender`` is "" for mail that has been forgotten.
    """

    recipient: str
    topic: str = ""
    sender: str = ""


class EngagementDesk:
    """Turns hits on tracking links into events."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        tokens: TokenMaker,
        clock: Callable[[], int],
        *,
        keep: Keep = Keep.PART,
    ) -> None:
        self._store = store
        self._directory = directory
        self._tokens = tokens
        self._clock = clock
        self._keep = keep
        self._bursts = Bursts()

    def read(self, kind: TokenKind, text: str) -> Token | None:
        """What a token says if it is one of ours; records nothing."""
        return self._tokens.read(text, kind)

    async def parting(self, token: Token) -> Parting | None:
        """What an unsubscribe token is about, as far as anything still knows."""
        try:
            known = await self._store.read(about_deliveries, [token.delivery.bytes])
        except StoreUnavailable:
            known = {}
        if about := known.get(token.delivery):
            return Parting(about.recipient, about.dimensions.topic, about.sender)
        leaver = read_leaver(token.target)
        return None if leaver is None else Parting(str(leaver.address), leaver.topic)

    async def record(self, token: Token, visitor: Visitor) -> bool:
        """True if the hit is on disk: an event, or at least an unsubscribe.

        A delivery that retention has removed gets no event any more.

        Raises:
            StoreUnavailable: it could not be recorded.
        """
        now_ns = self._clock()
        said = self._judge(token, visitor, now_ns)
        data = self._told(token, visitor)
        hit = Engagement(_TYPES[token.kind], token.delivery, now_ns, data, said)
        known = await self._store.write_each(record_engagement, hit)
        if token.kind is not TokenKind.UNSUBSCRIBE:
            return known is not None
        if known is None and not await self._suppress(read_leaver(token.target)):
            return False
        await self._directory.refresh_suppressions()
        return True

    def _judge(self, token: Token, visitor: Visitor, now_ns: int) -> Judgement:
        if token.kind is TokenKind.UNSUBSCRIBE:
            return NO_SIGN  # a program that unsubscribes does it for somebody
        return judge_visitor(
            visitor.user_agent[:MAX_AGENT],
            visitor.ip,
            announced=visitor.ahead,
            burst=token.kind is TokenKind.CLICK
            and self._bursts.is_part(token.delivery, token.link, now_ns),
        )

    def _told(self, token: Token, visitor: Visitor) -> dict[str, Scalar]:
        """What the event says, without what is not known."""
        text = visitor.user_agent[:MAX_AGENT]
        agent = parse_user_agent(text)
        facts = {
            "ip": kept_address(visitor.ip, self._keep),
            "userAgent": text,
            "agentFamily": agent.family,
            "agentVersion": agent.version,
            "osFamily": agent.os,
            "osVersion": agent.os_version,
            "deviceFamily": agent.device,
        }
        data: dict[str, Scalar] = {name: fact for name, fact in facts.items() if fact}
        if token.kind is TokenKind.CLICK:
            data |= {"url": token.target, "link": token.link}
        return data

    async def _suppress(self, leaver: Leaver | None) -> bool:
        """Heed the wish of someone whose mail we have forgotten."""
        if leaver is None:
            return False
        await self._store.write(
            add_suppression,
            leaver.sub_account,
            leaver.address,
            reason=SuppressionReason.UNSUBSCRIBE,
            now_ns=self._clock(),
            scope=Scope(leaver.topic),
        )
        return True
