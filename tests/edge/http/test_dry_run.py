import base64
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from uuid import UUID

import pytest
import trio

from appliance.core.address import Address
from appliance.core.credential import SubAccount
from appliance.core.suppression import SuppressionReason
from appliance.store.captured import get_captured
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx
from tests.fakes.dkim import public_record
from tests.fakes.house import DOMAIN, NOW_NS, SEND, House, mail, open_house
from tests.fakes.keys import dkim_key
from tests.fakes.zone import FakeZone

DRY = f"{SEND}?dry_run=true"
RECORD = f"pr1._domainkey.{DOMAIN}"
HTML = '<p>Hello <a href="https://shop.example/orders?a=1&amp;b=2">follow it</a></p>'


def _prepare(tx: Tx, ours: SubAccount) -> None:
    add_suppression(
        tx,
        ours.id,
        Address("gone", "rcpt.example"),
        reason=SuppressionReason.MANUAL,
        now_ns=NOW_NS,
    )


@pytest.fixture
async def zone(nursery: trio.Nursery) -> FakeZone:
    """A DNS in which the sender domain's key is published."""
    made = FakeZone({RECORD: public_record(dkim_key())})
    await nursery.start(made.run)
    return made


@pytest.fixture
async def house(tmp_path: Path, zone: FakeZone) -> AsyncIterator[House]:
    """A running server that asks that DNS."""
    settings = (f"dns.nameservers={zone.address}", "dns.timeout=2s")
    async with open_house(tmp_path, *settings, prepare=_prepare) as one:
        yield one


def names(raw: bytes) -> list[str]:
    """The header's fields, in order."""
    return list(message_from_bytes(raw).keys())


async def test_it_shows_what_would_leave(house: House) -> None:
    """The same mail, once dry and once sent: but for ids and moments the same."""
    body = mail(htmlBody=HTML, trackClicks=True, trackOpens=True)
    answer = await house.send(body, path=DRY)
    assert answer.status_code == 200, answer.text
    assert answer.headers.get_list("content-type") == ["application/json"]
    told = answer.json()
    assert told["dryRun"] is True
    (entry,) = told["entries"]
    assert (entry["to"], entry["refusal"]) == ("bob@rcpt.example", None)
    assert (entry["pool"], entry["leftOut"]) == ("sandbox", 0)
    (one,) = entry["deliveries"]
    assert (one["provider"], one["waitsFor"], one["dropped"]) == ("capture", "", "")
    assert one["envelopeSender"].endswith(f"@bounce.{DOMAIN}")
    raw = base64.b64decode(one["raw"])
    assert one["size"] == len(raw)
    message = await house.sent(htmlBody=HTML, trackClicks=True, trackOpens=True)
    captured = await house.store.read(get_captured, UUID(message))
    assert captured is not None
    assert names(raw) == names(captured.raw)
    assert abs(len(raw) - len(captured.raw)) < 100


async def test_the_signature_is_verified_by_the_live_record(
    house: House, zone: FakeZone
) -> None:
    """A record that was taken away counts at once."""
    (one,) = (await house.send(path=DRY)).json()["entries"][0]["deliveries"]
    (good,) = one["dkim"]
    assert good == {"selector": "pr1", "record": RECORD, "fault": "", "valid": True}
    zone.texts.clear()
    (one,) = (await house.send(path=DRY)).json()["entries"][0]["deliveries"]
    (bad,) = one["dkim"]
    assert (bad["valid"], bad["fault"]) == (
        False,
        f"{RECORD} TXT: the name does not exist",
    )


async def test_each_link_stands_beside_what_it_becomes(house: House) -> None:
    """And the one in the mail leads where it did."""
    answer = await house.send(mail(htmlBody=HTML, trackClicks=True), path=DRY)
    (one,) = answer.json()["entries"][0]["deliveries"]
    (link,) = one["links"]
    assert link["original"] == "https://shop.example/orders?a=1&b=2"
    follow = await house.http.get(link["rewritten"])
    assert follow.headers["location"] == link["original"]


async def test_nothing_is_stored_and_nothing_said(house: House) -> None:
    """No message, no event, no delivery."""
    for _ in range(2):
        assert (await house.send(path=DRY)).status_code == 200
    assert await house.events() == []


async def test_entries_are_told_of_one_by_one(house: House) -> None:
    """Wrong ones, suppressed ones and good ones, in order."""
    to = [{"email": "no address"}, {"email": "gone@rcpt.example"}, {"email": "a@b.c"}]
    wrong, gone, good = (await house.send(mail(to=to), path=DRY)).json()["entries"]
    assert wrong["refusal"]
    assert not wrong["deliveries"]
    assert gone["refusal"] is None
    assert gone["deliveries"] == [
        {
            "to": "gone@rcpt.example",
            "role": "to",
            "dropped": "Recipient is suppressed: gone@rcpt.example (manual)",
        }
    ]
    assert good["deliveries"][0]["raw"]


async def test_refusals_are_those_of_a_real_send(house: House) -> None:
    """Same status, same body, whichever check it is."""
    for body, key in (
        (mail(ippool="nosuch"), ""),
        (mail(subject=None), ""),
        (b"{", ""),
        (mail(), "wrong"),
    ):
        dry = await house.send(body, path=DRY, key=key)
        real = await house.send(body, key=key)
        assert dry.status_code == real.status_code != 200
        assert dry.content == real.content
    stranger = mail(sender={"email": "a@other.example"})
    (entry,) = (await house.send(stranger, path=DRY)).json()["entries"]
    assert entry["refusal"] == "Sender domain other.example is not verified"


@pytest.mark.parametrize(
    "query",
    [
        "dry_run=yes",
        "dry_run=",
        "dry_run",
        "dry_run=TRUE",
        "dry_run=true&dry_run=false",
        "dry%5Frun=1",
        "&".join(f"a{number}=1" for number in range(50)),
    ],
    ids=lambda query: query[:20],
)
async def test_what_is_unclear_is_not_sent_for_real(house: House, query: str) -> None:
    """A typo in the wish for a dry run must not send a mail."""
    answer = await house.send(path=f"{SEND}?{query}")
    assert answer.status_code == 422
    assert await house.events() == []


@pytest.mark.parametrize("query", ["dry_run=false", "other=1", ""])
async def test_other_requests_are_sent(house: House, query: str) -> None:
    """As before."""
    answer = await house.send(path=f"{SEND}?{query}")
    assert answer.json()[0]["errorCode"] == 0


async def test_only_who_may_send_may_try(house: House) -> None:
    """It tells of suppressions and pools, so it needs the key that sending needs."""
    answer = await house.http.post(DRY, json=mail())
    assert answer.status_code == 401
