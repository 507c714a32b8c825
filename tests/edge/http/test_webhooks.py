"""The calls about webhooks, in both contracts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.core.ids import AccountId
from appliance.core.webhook import NewEndpoint
from appliance.store.accounts import create_account
from appliance.store.transaction import Tx
from appliance.store.webhooks import add_endpoint, list_endpoints
from tests.fakes.account_desk import KEY, AccountDesk, error, open_account_desk
from tests.fakes.store import NOW_NS

WEBHOOKS = "/api/v1/account/webhook"
URL = "https://hooks.example.com/mail"
FLAGS = {
    *("processed", "sent", "dropped", "smtpDropped", "delivered", "softBounced"),
    *("hardBounced", "opened", "clicked", "unsubscribed", "spam"),
    *("uniqueOpen", "uniqueClick"),
}
LEGACY = {"X-Account-ApiKey": KEY, "X-SendPost-Public-Contract": "legacy"}
USUAL_OFF = {"processed", "sent", "smtpDropped", "uniqueOpen", "uniqueClick"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AccountDesk]:
    """The calls over a real store."""
    async with open_account_desk(tmp_path) as one:
        yield one


async def made(desk: AccountDesk, url: str = URL, **fields: object) -> int:
    """The number of a webhook that was made."""
    answer = await desk.ask("POST", WEBHOOKS, {"url": url, **fields})
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["id"]
    return number


async def test_a_webhook_is_made_shown_changed_and_removed(desk: AccountDesk) -> None:
    """#27-#31; flags that are not named are the vendor's, and later stay."""
    number = await made(desk)
    one = (await desk.ask("GET", f"{WEBHOOKS}/{number}")).json()
    assert one.keys() == FLAGS | {
        *("id", "enabled", "url", "created", "status", "disabledAt", "disabledReason"),
    }
    assert {flag for flag in FLAGS if not one[flag]} == USUAL_OFF
    assert (one["status"], one["disabledAt"], one["disabledReason"]) == (
        "active",
        0,
        "",
    )
    changed = await desk.ask("PUT", f"{WEBHOOKS}/{number}", {"url": URL, "sent": True})
    assert changed.status_code == 200
    assert changed.json()["sent"]
    assert changed.json()["opened"]
    (listed,) = (await desk.ask("GET", WEBHOOKS)).json()
    assert listed["successRate"] == 100
    gone = await desk.ask("DELETE", f"{WEBHOOKS}/{number}")
    assert gone.json() == {
        "id": number,
        "message": f"Webhook ({URL}) has been deleted successfully.",
    }
    for method in ("GET", "PUT", "DELETE"):
        error(await desk.ask(method, f"{WEBHOOKS}/{number}", {"url": URL}), 404)


async def test_the_legacy_contract_has_its_own_keys_and_status(
    desk: AccountDesk,
) -> None:
    """200 and no key that its clients refuse."""
    answer = await desk.ask("POST", WEBHOOKS, {"url": URL}, headers=LEGACY)
    assert answer.status_code == 200
    keys = FLAGS | {"id", "enabled", "url", "created", "created_by", "updated_by"}
    assert answer.json().keys() == keys
    (listed,) = (await desk.ask("GET", WEBHOOKS, headers=LEGACY)).json()
    assert listed.keys() == keys


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 406, "url"),
        ({"url": ""}, 406, "url"),
        ({"url": "http://hooks.example.com/"}, 422, "url"),
        ({"url": "https://10.0.0.1/"}, 422, "url"),
        ({"url": "https://[::1]/"}, 422, "url"),
        ({"url": "https://a.example/\r\nX: 1"}, 422, "url"),
        ({"url": 5}, 422, "url"),
        ({"url": URL, "opened": "yes"}, 422, "opened"),
        (b"{", 422, ""),
        (b"[]", 422, ""),
    ],
)
async def test_what_is_wrong_is_said(
    desk: AccountDesk, body: object, status: int, param: str
) -> None:
    """ATTACKS 21: nothing is stored of it."""
    assert error(await desk.ask("POST", WEBHOOKS, body), status)[0] == param
    assert await desk.store.read(list_endpoints) == []


async def test_one_url_has_one_webhook(desk: AccountDesk) -> None:
    """403, as the vendor answers."""
    await made(desk)
    other = await made(desk, f"{URL}/2")
    error(await desk.ask("POST", WEBHOOKS, {"url": URL}), 403)
    error(await desk.ask("PUT", f"{WEBHOOKS}/{other}", {"url": URL}), 403)


async def test_nobody_else_sees_or_touches_them(desk: AccountDesk) -> None:
    """ATTACKS 12: nor does the account see those of another, or of another dialect."""
    number = await made(desk)
    for headers in (
        {},
        {"X-Account-ApiKey": "sub-account-key"},
        {"X-SubAccount-ApiKey": "sub-account-key"},
    ):
        for method, path in (
            ("GET", ""),
            ("GET", f"/{number}"),
            ("DELETE", f"/{number}"),
        ):
            error(await desk.ask(method, f"{WEBHOOKS}{path}", headers=headers), 401)
    foreign = await desk.store.write(_add_foreign)
    for id_ in foreign:
        error(await desk.ask("GET", f"{WEBHOOKS}/{id_}"), 404)
        error(await desk.ask("PUT", f"{WEBHOOKS}/{id_}", {"enabled": False}), 404)
        error(await desk.ask("DELETE", f"{WEBHOOKS}/{id_}"), 404)
    assert len((await desk.ask("GET", WEBHOOKS)).json()) == 1


def _add_foreign(tx: Tx) -> list[int]:
    other = create_account(tx, "other", "eve", "hash", NOW_NS)
    assert other is not None
    found = []
    for account, dialect in ((other.account, "sendpost"), (AccountId(1), "anypost")):
        new = NewEndpoint(account, None, dialect, f"{URL}/x", frozenset())
        one = add_endpoint(tx, new, "whsec_x")
        assert one is not None
        found.append(int(one.id))
    return found
