"""The calls about webhooks: made, shown, changed, removed.

An account's key sees the account's own, and of those only the ones of its dialect that
somebody made: what messages named belongs to the messages (ATTACKS 12).
"""

from collections.abc import Awaitable, Callable

from appliance.core.ids import AccountId
from appliance.core.webhook import Endpoint, NewEndpoint, WebhookId, make_secret
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.paging import read_page
from appliance.dialects.sendpost.paths import WEBHOOKS
from appliance.dialects.sendpost.webhook_resource import (
    NAME,
    NO_WEBHOOK,
    changed_webhook,
    new_webhook,
    parse_webhook,
    webhook_deleted,
    webhook_exists,
    webhook_facts,
    webhook_made,
)
from appliance.dialects.sendpost.webhook_wire import WebhookBody
from appliance.edge.http.account import NUMBER, Ask, Call
from appliance.flow.webhook_post import Habits
from appliance.store.database import Store
from appliance.store.transaction import Tx, View
from appliance.store.webhooks import (
    add_endpoint,
    list_endpoints,
    remove_endpoint,
    success_rates,
    update_endpoint,
)


class WebhookCalls:
    """Each call; ``tell`` has what this process knows brought up to date."""

    def __init__(
        self, store: Store, habits: Habits, tell: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self._habits = habits
        self._tell = tell

    def calls(self) -> dict[tuple[str, str], Call]:
        """All calls."""
        one = f"{WEBHOOKS}/{NUMBER}"
        return {
            ("POST", WEBHOOKS): self.create,
            ("GET", WEBHOOKS): self.list,
            ("GET", one): self.get,
            ("PUT", one): self.change,
            ("DELETE", one): self.delete,
        }

    async def create(self, ask: Ask) -> Answer | Problem:
        """A new webhook; it is told what happens from now on."""
        body = parse_webhook(ask.body)
        if isinstance(body, Problem):
            return body
        habits = self._habits
        wanted = new_webhook(
            body, ask.account, allow_http=habits.allow_http, allowed=habits.allowed
        )
        if isinstance(wanted, Problem):
            return wanted
        made = await self._store.write(add_endpoint, wanted, make_secret())
        if made is None:
            return webhook_exists(wanted.url)
        await self._tell()
        return webhook_made(made, ask.contract)

    async def list(self, ask: Ask) -> Answer | Problem:
        """All webhooks, oldest first."""
        page = read_page(ask.query)
        if isinstance(page, Problem):
            return page
        found, rates = await self._store.read(_list, ask.account)
        return render(
            [
                webhook_facts(one, ask.contract, rates.get(one.id, 100.0))
                for one in page.of(found, lambda one: one.url)
            ]
        )

    async def get(self, ask: Ask) -> Answer | Problem:
        """One webhook."""
        found = await self._store.read(_get, ask.account, WebhookId(ask.number))
        return (
            NO_WEBHOOK if found is None else render(webhook_facts(found, ask.contract))
        )

    async def change(self, ask: Ask) -> Answer | Problem:
        """A webhook with some of its settings replaced; enabled, it is well again."""
        body = parse_webhook(ask.body)
        if isinstance(body, Problem):
            return body
        number = WebhookId(ask.number)
        made = await self._store.write(_change, ask.account, number, body, self._habits)
        if isinstance(made, Problem):
            return made
        await self._tell()
        return render(webhook_facts(made, ask.contract))

    async def delete(self, ask: Ask) -> Answer | Problem:
        """Away with a webhook."""
        gone = await self._store.write(_delete, ask.account, WebhookId(ask.number))
        if gone is None:
            return NO_WEBHOOK
        await self._tell()
        return webhook_deleted(gone)


# Each is one transaction: what a body is judged by is what it is stored beside.


def _change(
    tx: Tx, account: AccountId, id_: WebhookId, body: WebhookBody, habits: Habits
) -> Endpoint | Problem:
    old = _get(tx, account, id_)
    if old is None:
        return NO_WEBHOOK
    wanted: NewEndpoint | Problem = changed_webhook(
        old, body, allow_http=habits.allow_http, allowed=habits.allowed
    )
    if isinstance(wanted, Problem):
        return wanted
    return update_endpoint(tx, id_, wanted) or webhook_exists(wanted.url)


def _delete(tx: Tx, account: AccountId, id_: WebhookId) -> Endpoint | None:
    old = _get(tx, account, id_)
    if old is not None:
        remove_endpoint(tx, id_)
    return old


def _list(
    view: View, account: AccountId
) -> tuple[list[Endpoint], dict[WebhookId, float]]:
    found = [
        one
        for one in list_endpoints(view)
        if one.account == account and one.dialect == NAME
    ]
    return found, success_rates(view)


def _get(view: View, account: AccountId, id_: WebhookId) -> Endpoint | None:
    found, _ = _list(view, account)
    return next((one for one in found if one.id == id_), None)
