"""The story of a message over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import trio

from appliance.core.credential import Scope, SubAccount
from appliance.store.transaction import Tx
from tests.fakes.house import (
    House,
    add_key,
    add_sender_domain,
    add_tenant,
    lead_to,
    mail,
    open_house,
)
from tests.fakes.upstream import FakeUpstream, Say, Script

OTHER_DOMAIN = "other.example"


def _prepare(tx: Tx, ours: SubAccount) -> None:
    add_key(tx, ours, "send-only", scope=Scope.SEND_ONLY)
    other = add_tenant(tx, "other")
    add_key(tx, other, "stranger")
    add_sender_domain(tx, other.id, name=OTHER_DOMAIN)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running server with the keys of two tenants."""
    async with open_house(tmp_path, prepare=_prepare) as one:
        yield one


async def ask(house: House, message: str, key: str = "") -> httpx.Response:
    """The answer about one message, with the account's key unless told else."""
    headers = {"Authorization": f"Bearer {key or house.made.keys['accountKey']}"}
    return await house.http.get(
        f"/postroom/v1/messages/{message}/explain", headers=headers
    )


async def test_a_sent_mail_is_told_from_key_to_answer(tmp_path: Path) -> None:
    """Who sent it, which way it went, each try as it was, and its events."""
    upstream = FakeUpstream(Script({"RCPT": [Say("450 4.2.1 busy"), None]}))
    async with trio.open_nursery() as servers:
        port = await upstream.start(servers)
        async with open_house(
            tmp_path,
            "relay.retry_plan=1s",
            prepare=lambda tx, _: lead_to(tx, port),
        ) as house:
            message = await house.sent()
            answer = await ask(house, message)
        servers.cancel_scope.cancel()
    assert answer.status_code == 200
    assert answer.headers.get_list("content-type") == ["application/json"]
    story = answer.json()
    assert story["message"]["key"]["dialect"] == "sendpost"
    assert story["message"]["domain"] == {"name": "shop.example", "verified": True}
    assert house.key not in answer.text
    (one,) = story["deliveries"]
    assert (one["id"], one["state"], one["attempts"]) == (message, "sent", 2)
    assert (one["pool"], one["provider"], one["share"]) == ("up", "up", 100)
    assert one["next"] == {
        "what": "nothing: the upstream has it",
        "at": None,
        "waitsFor": "",
    }
    assert one["suppression"] is None
    told = [event["name"] for event in one["events"]]
    assert told == ["processed", "deferred", "sent"]
    busy, taken = one["tries"]
    assert (busy["ending"], busy["stage"], busy["code"]) == ("rejected", "rcpt", 450)
    assert (taken["ending"], taken["code"], taken["counts"]) == ("accepted", 250, True)
    assert taken["connection"]["peer"] == f"127.0.0.1:{port}"
    assert taken["connection"]["dialogue"][0] == "S: 220 fake.test ESMTP"
    assert taken["dialogue"][-1] == "S: 250 2.0.0 queued as 1"
    assert "It has shipped" not in answer.text
    assert story["events"] == []


async def test_copies_are_told_together_and_alone(house: House) -> None:
    """A message's id tells all of its copies, a copy's own id that one."""
    person = {
        "email": "bob@rcpt.example",
        "cc": [{"email": "cc@rcpt.example"}],
        "bcc": [{"email": "bcc@rcpt.example"}],
    }
    message = await house.sent(to=[person])
    copies = (await ask(house, message)).json()["deliveries"]
    assert [one["role"] for one in copies] == ["to", "cc", "bcc"]
    (alone,) = (await ask(house, copies[2]["id"])).json()["deliveries"]
    assert alone["to"] == "bcc@rcpt.example"
    assert {one["delivery"] for one in alone["events"]} == {copies[2]["id"]}


async def test_keys_are_told_what_is_theirs(house: House) -> None:
    """ATTACKS 12: the account all, a sub-account its own, others nothing at all."""
    answer = await house.send(
        mail(sender={"email": f"a@{OTHER_DOMAIN}"}), key="stranger"
    )
    (theirs,) = answer.json()
    message = await house.sent()
    assert (await ask(house, message, house.key)).status_code == 200
    assert (await ask(house, theirs["messageId"])).status_code == 200
    hidden = await ask(house, theirs["messageId"], house.key)
    unknown = await ask(house, str(UUID(int=7)), house.key)
    assert (hidden.status_code, unknown.status_code) == (404, 404)
    assert hidden.content == unknown.content
    for key in ("send-only", "nosuch"):
        assert (await ask(house, message, key)).status_code == 401


@pytest.mark.parametrize("text", ["x", "0" * 36, "%00", "..", "a" * 5_000])
async def test_what_is_no_id_is_not_known(house: House, text: str) -> None:
    """Whatever stands in its place."""
    assert (await ask(house, text)).status_code in {404, 400}
