"""The formats of an event on the websocket: our own, and those of the dialects.

A dialect's says ``{"number": ..., "payload": ...}``: the payload is what its webhook
would have been sent, the number is where to go on from. What a dialect does not tell
is not sent.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from appliance.core.event import Event
from appliance.core.webhook import Fact
from appliance.dialects.webhook import WebhookDialect
from appliance.dialects.webhooks import WEBHOOKS
from appliance.flow.facts import render_event
from appliance.store.database import Store
from appliance.store.webhook_facts import load_facts

OWN = "postroom"


class Form(Protocol):
    """A way to word events."""

    async def render(self, events: Sequence[Event]) -> Sequence[str]:
        """A text for each, "" for those that are not told.

        Raises:
            StoreUnavailable: what belongs to them could not be read.
        """


class OwnForm:
    """As the event API tells them."""

    async def render(self, events: Sequence[Event]) -> Sequence[str]:
        """All are told."""
        return [render_event(event) for event in events]


class DialectForm:
    """As the dialect's webhooks tell them."""

    def __init__(self, store: Store, dialect: WebhookDialect, variant: str) -> None:
        self._store = store
        self._dialect = dialect
        self._variant = variant

    async def render(self, events: Sequence[Event]) -> Sequence[str]:
        """What the mail adds to an event is read first."""
        facts = await self._store.read(load_facts, events)
        return [self._word(fact) for fact in facts]

    def _word(self, fact: Fact) -> str:
        if not self._dialect.title(fact):
            return ""
        payload = self._dialect.render(fact, self._variant).decode()
        return f'{{"number":{fact.event.number},"payload":{payload}}}'


def forms_of(store: Store) -> Mapping[str, Form]:
    """All formats by name; a variant of a dialect's payload is named behind a dash."""
    found: dict[str, Form] = {OWN: OwnForm()}
    for name, dialect in WEBHOOKS.items():
        usual, *others = dialect.forms
        found[name] = DialectForm(store, dialect, usual)
        for one in others:
            found[f"{name}-{one}"] = DialectForm(store, dialect, one)
    return found
