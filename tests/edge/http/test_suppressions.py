"""The calls about suppressions over real HTTP, and what they do to mail."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from appliance.core import suppression
from appliance.core.address import Address
from appliance.core.credential import Scope, SubAccount
from appliance.core.ids import SubAccountId
from appliance.core.suppression import SuppressionReason
from appliance.store.suppressions import add_suppression, list_suppressions
from appliance.store.transaction import Tx
from tests.fakes.account_desk import error
from tests.fakes.house import House, add_key, add_tenant, mail, open_house

PATH = "/api/v1/subaccount/suppression"
DAYS = "?from=2023-11-01&to=2023-11-30"
BOB = {"email": "bob@rcpt.example"}
NEWS = suppression.Scope("news")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server."""
    async with open_house(tmp_path) as one:
        yield one


async def ask(
    house: House,
    method: str,
    rest: str = "",
    body: object = None,
    *,
    key: str = "",
    contract: str = "v1",
) -> httpx.Response:
    """The answer to one call, with the sub-account's key unless told else."""
    named = {
        "X-SubAccount-ApiKey": key or house.key,
        "X-SendPost-Public-Contract": contract,
    }
    return await house.http.request(method, f"{PATH}{rest}", json=body, headers=named)


async def test_the_whole_way_of_an_address(tmp_path: Path) -> None:
    """Suppressed, its mail says so at once (spec 8.3); lifted, it is sent again."""
    async with open_house(tmp_path) as house:
        added = await ask(house, "POST", "/", {"manual": [BOB]})
        assert added.status_code == 200, added.text
        (one,) = added.json()
        assert (one["email"], one["reasonText"]) == (BOB["email"], "manual")
        (result,) = (await house.send(mail(to=[BOB]))).json()
        assert result["errorCode"] == 2
        assert result["message"] == "Recipient is suppressed: bob@rcpt.example (manual)"
        again = (await ask(house, "POST", "", {"hardBounce": [BOB]})).json()
        assert again == [one | {"reason": 2, "reasonText": "hardBounce"}]
        for slash in ("", "/"):
            listed = await ask(house, "GET", slash, contract="legacy")
            assert [entry["id"] for entry in listed.json()] == [one["id"]]
            count = await ask(house, "GET", f"/count{slash}")
            assert count.json() == {"count": 1}
        gone = await ask(house, "DELETE", "", {"suppressions": [BOB]})
        assert gone.status_code == 200
        assert gone.json() == {"message": "Suppressions have been deleted successfully"}
        await house.sent(to=[BOB])


async def test_a_whole_domain_is_suppressed(tmp_path: Path) -> None:
    """And lifted, by the same words."""
    whole = {"email": "*@rcpt.example"}
    async with open_house(tmp_path) as house:
        (one,) = (await ask(house, "POST", "", {"unsubscribe": [whole]})).json()
        assert one["email"] == whole["email"]
        (result,) = (await house.send(mail(to=[BOB]))).json()
        assert result["errorCode"] == 2
        body = {"suppressions": [whole, BOB]}
        gone = await ask(house, "DELETE", "", body, contract="legacy")
        assert [entry["id"] for entry in gone.json()] == [one["id"]]
        await house.sent(to=[BOB])


@pytest.mark.parametrize(
    ("method", "rest", "body", "status"),
    [
        ("GET", "", None, 400),
        ("GET", "?from=2023-01-01&to=2023-12-31", None, 400),
        ("POST", "", {"manual": []}, 406),
        ("POST", "", {"manual": [{"email": "x"}]}, 422),
        ("DELETE", "", {"suppressions": []}, 406),
        ("DELETE", "", {"suppressions": [BOB]}, 200),
        ("GET", "/x", None, 404),
        ("GET", DAYS, None, 200),
    ],
)
async def test_the_documented_statuses(
    house: House, method: str, rest: str, body: object, status: int
) -> None:
    """As the specification has them, redirecting nowhere."""
    answer = await ask(house, method, rest, body)
    assert answer.status_code == status, answer.text
    if status >= 400:
        error(answer, status)


async def test_what_is_for_some_mail_only_is_not_seen(tmp_path: Path) -> None:
    """Neither shown, nor counted, nor lifted; nor is what has ended."""
    async with open_house(tmp_path, prepare=_prepare_some) as house:
        assert (await ask(house, "GET", DAYS)).json() == []
        assert (await ask(house, "GET", "/count")).json() == {"count": 0}
        await ask(house, "DELETE", "", {"suppressions": [BOB]})
        await house.sent(to=[BOB])
        found = await house.store.read(list_suppressions, SubAccountId(1), limit=9)
        assert [one.scope for one in found] == [NEWS]


def _prepare_some(tx: Tx, ours: SubAccount) -> None:
    bob, ann = Address("bob", "rcpt.example"), Address("ann", "rcpt.example")
    why = SuppressionReason.UNSUBSCRIBE
    add_suppression(tx, ours.id, bob, reason=why, now_ns=1, scope=NEWS)
    add_suppression(tx, ours.id, ann, reason=why, now_ns=1, expires_ns=2)


async def test_other_methods_are_told_which_there_are(house: House) -> None:
    """405 in the dialect."""
    answer = await ask(house, "PUT", "", {})
    error(answer, 405)
    assert answer.headers["allow"] == "DELETE, GET, POST"


async def test_a_key_opens_its_own_list_only(tmp_path: Path) -> None:
    """ATTACKS 12: no other sub-account's, and not with a key of another kind."""
    async with open_house(tmp_path, prepare=_prepare) as house:
        listed = await ask(house, "GET", DAYS, key="other")
        assert listed.json() == []
        assert (await ask(house, "GET", "/count", key="other")).json() == {"count": 0}
        await ask(house, "DELETE", "", {"suppressions": [BOB]}, key="other")
        assert (await ask(house, "GET", "/count")).json() == {"count": 1}
        error(await ask(house, "GET", DAYS, key="send-only"), 403)
        for key in ("whole", "nobody"):
            error(await ask(house, "GET", DAYS, key=key), 401)
        named = {"X-Account-ApiKey": "whole"}
        error(await house.http.get(f"{PATH}{DAYS}", headers=named), 401)


def _prepare(tx: Tx, ours: SubAccount) -> None:
    add_key(tx, ours, "whole", whole_account=True)
    add_key(tx, ours, "send-only", scope=Scope.SEND_ONLY)
    add_key(tx, add_tenant(tx, "other"), "other")
    why = SuppressionReason.MANUAL
    add_suppression(tx, ours.id, Address("bob", "rcpt.example"), reason=why, now_ns=1)
