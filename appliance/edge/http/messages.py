"""The calls by which an account looks up its messages, and its part of the log.

An account's key sees what its own sub-accounts sent, and nothing else (ATTACKS 12).
"""

from dataclasses import replace
from uuid import UUID

from appliance.core.event import EventFilter
from appliance.core.ids import AccountId
from appliance.core.sent_mail import SentMail
from appliance.core.submission import Content
from appliance.core.webhook import Fact
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.lookup import (
    MAX_EVENTS,
    Wanted,
    parse_events,
    parse_messages,
    render_events,
)
from appliance.dialects.sendpost.message_answer import (
    NO_MESSAGE,
    render_message,
    render_messages,
)
from appliance.dialects.sendpost.paths import ACCOUNT_EVENTS, MESSAGES
from appliance.dialects.sendpost.stats import is_private
from appliance.edge.http.account import UUID_PLACE, Ask, Call
from appliance.mime.merge import Context, MergeText, MergeTooLarge
from appliance.store.database import Store
from appliance.store.sent_mail import find_events, find_mail, get_mail, provider_name
from appliance.store.transaction import View


class MessageCalls:
    """Each call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def calls(self) -> dict[tuple[str, str], Call]:
        """All calls."""
        return {
            ("GET", ACCOUNT_EVENTS): self.events,
            ("GET", MESSAGES): self.list,
            ("GET", f"{MESSAGES}/{UUID_PLACE}"): self.get,
        }

    async def events(self, ask: Ask) -> Answer | Problem:
        """A part of the log, the youngest first (spec 13)."""
        wanted = parse_events(ask.query)
        if isinstance(wanted, Problem):
            return wanted
        return render_events(await self._store.read(_events, ask.account, wanted))

    async def list(self, ask: Ask) -> Answer | Problem:
        """Messages of some days, newest first, without their bodies."""
        span = parse_messages(ask.query)
        if isinstance(span, Problem):
            return span
        found = await self._store.read(
            find_mail,
            ask.account,
            span.since_ns,
            span.until_ns,
            offset=span.page.offset,
            limit=span.page.limit,
        )
        return render_messages(found, ask.contract)

    async def get(self, ask: Ask) -> Answer | Problem:
        """One message, as its first recipient gets it, before links are replaced."""
        if ask.uuid is None:
            return NO_MESSAGE
        private = is_private(ask.headers)
        mail, events = await self._store.read(
            _get, ask.account, ask.uuid, with_events=private
        )
        if mail is None:
            return NO_MESSAGE
        return render_message(_filled(mail), ask.contract, events if private else None)


def _events(view: View, account: AccountId, wanted: Wanted) -> list[Fact]:
    chosen = wanted.filter
    if wanted.provider is not None:
        name = provider_name(view, wanted.provider)
        if name is None:
            return []
        chosen = replace(chosen, provider=name)
    page = wanted.page
    return find_events(
        view,
        account,
        chosen,
        offset=page.offset,
        limit=page.limit,
        tried=wanted.tried,
    )


def _get(
    view: View, account: AccountId, uuid: UUID, *, with_events: bool
) -> tuple[SentMail | None, list[Fact]]:
    mail = get_mail(view, account, uuid)
    if mail is None or not with_events:
        return mail, []
    wanted = EventFilter(message=uuid)
    return mail, find_events(view, account, wanted, offset=0, limit=MAX_EVENTS)


def _filled(mail: SentMail) -> SentMail:
    """The mail with its recipient's values in their places; as written if too large."""
    content = mail.content
    if content is None:
        return mail

    def fill(text: str, context: Context) -> str:
        return MergeText.compile(text, context).fill(mail.fields)

    try:
        filled = Content(
            content.sender,
            fill(content.subject, Context.LINE),
            text=content.text and fill(content.text, Context.TEXT),
            html=content.html and fill(content.html, Context.HTML),
            amp=content.amp and fill(content.amp, Context.HTML),
            preheader=content.preheader,
            reply_to=content.reply_to,
            headers=content.headers,
            attachments=content.attachments,
        )
    except MergeTooLarge:
        return mail
    return replace(mail, content=filled)
