"""The calls of an account's key over real HTTP, and what they do to mail."""

from pathlib import Path

import trio

from appliance.core.credential import SubAccount
from appliance.core.event import EventType
from appliance.edge.http.account import MAX_BODY_BYTES
from appliance.edge.http.sendpost import STRANGER_BYTES
from appliance.store.transaction import Tx
from tests.fakes.account_desk import KEY, POOLS, PROVIDERS, error
from tests.fakes.house import add_key, mail, open_house
from tests.fakes.upstream import FakeUpstream

TEST = "/api/v1/tpsp/test/custom-smtp"


async def test_the_whole_way_from_a_provider_to_its_mail(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Made over HTTP, its pool takes mail at once, in every spelling of the paths."""
    fake = FakeUpstream()
    port = await fake.start(nursery)
    where = {"name": "post", "host": "127.0.0.1", "port": port, "security": "none"}
    async with open_house(tmp_path, prepare=_prepare) as house:
        http, named = house.http, {"X-Account-ApiKey": KEY}
        tried = await http.post(TEST, json=where, headers=named)
        assert (tried.status_code, tried.json()["success"]) == (200, True)
        made = await http.post(f"{PROVIDERS}/", json=where, headers=named)
        assert made.status_code == 201, made.text
        assert made.headers["content-type"] == "application/json"
        (result,) = (await house.send(mail(ippool="post"))).json()
        assert result["errorCode"] == 0, result
        await house.heard(EventType.SENT, result["messageId"])
        assert len(fake.received) == 3
        pools = (await http.get(POOLS, headers=named)).json()
        assert [one["name"] for one in pools] == ["sandbox", "post"]
        renamed = await http.put(
            f"{POOLS}/{pools[1]['id']}", json={"name": "mta"}, headers=named
        )
        assert renamed.status_code == 200, renamed.text
        (result,) = (await house.send(mail(ippool="mta"))).json()
        assert result["errorCode"] == 0, result
        assert (await house.send(mail(ippool="post"))).status_code == 422
        head = await http.head(POOLS, headers=named)
        assert (head.status_code, head.content) == (200, b"")


async def test_what_is_not_there_is_said_in_the_dialect(tmp_path: Path) -> None:
    """404, 405 with the methods, 422 for too large a body, 401 for strangers."""
    async with open_house(tmp_path, prepare=_prepare) as house:
        http, named = house.http, {"X-Account-ApiKey": KEY}
        for path in (f"{POOLS}/x", f"{PROVIDERS}/1/x", "/api/v1/account/x"):
            answer = await http.get(path, headers=named)
            error(answer, 404)
            assert not answer.is_redirect
        wrong = await http.patch(f"{POOLS}/1", headers=named)
        error(wrong, 405)
        assert wrong.headers["allow"] == "DELETE, GET, PUT"
        big = b"x" * (MAX_BODY_BYTES + 1)
        error(await http.post(POOLS, content=big, headers=named), 422)
        assert STRANGER_BYTES < MAX_BODY_BYTES
        big = b"x" * (STRANGER_BYTES + 1)
        error(await http.post(POOLS, content=big), 401)


def _prepare(tx: Tx, ours: SubAccount) -> None:
    add_key(tx, ours, KEY, whole_account=True)
