"""The calls about sender domains over real HTTP, beside a DNS server of our own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.core.credential import Scope, SubAccount
from appliance.edge.http import domains
from appliance.edge.http.domains import LOOK_AGAIN_NS
from appliance.store.transaction import Tx
from tests.fakes.account_desk import error
from tests.fakes.house import DOMAIN, House, add_key, add_tenant, mail, open_house
from tests.fakes.zone_thread import Zone, zone_served

PATH = "/api/v1/subaccount/domain"
NEW = {"name": "New.Example."}
OTHER_KEY = "other-key"
SEND_KEY = "send-key"


def prepare(tx: Tx, owner: SubAccount) -> None:
    """A key that may only send, and somebody else's."""
    add_key(tx, owner, SEND_KEY, scope=Scope.SEND_ONLY)
    add_key(tx, add_tenant(tx, "other"), OTHER_KEY)


@pytest.fixture
def zone() -> Iterator[Zone]:
    """A DNS server in which there is nothing yet."""
    with zone_served() as one:
        yield one


@pytest.fixture
async def house(tmp_path: Path, zone: Zone) -> AsyncIterator[House]:
    """A running server that asks it."""
    settings = f"dns.nameservers={zone.address}", "domain.public_host=mx.test"
    async with open_house(tmp_path, *settings, prepare=prepare) as one:
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


async def later(house: House) -> None:
    """The last looks were some time ago."""

    def move(tx: Tx) -> None:
        tx.db.execute(
            "UPDATE domain_record SET checked_ns = checked_ns - ?", (LOOK_AGAIN_NS,)
        )

    await house.store.write(move)


def publish(zone: Zone, made: dict[str, Any]) -> None:
    """Have in the DNS what the answer says."""
    for name in ("dkim", "returnPath", "track", "dmarc"):
        record = made[name]
        value = record["textValue"]
        if record["type"] == "TXT":
            parts = (value[at : at + 255] for at in range(0, len(value), 255))
            value = " ".join(f'"{part}"' for part in parts)
        else:
            value = f"{value}."
        zone.lines.append(f"{record['host']}. 60 IN {record['type']} {value}")


async def error_code(house: House, sender: object) -> int:
    """What a mail from there is answered with."""
    (result,) = (await house.send(mail(sender=sender))).json()
    return int(result["errorCode"])


async def test_the_whole_way_of_a_domain(house: House, zone: Zone) -> None:
    """Made, published, looked up, sent from, removed (spec 14)."""
    made = await ask(house, "POST", "/", NEW)
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["name"], one["verified"]) == ("new.example", False)
    assert one["dkim"]["host"] == "sp-dkim._domainkey.new.example"
    assert one["returnPath"] == {
        "host": "sp-bounce.new.example",
        "type": "CNAME",
        "textValue": "mx.test",
    }
    sender = {"email": "a@new.example"}
    assert await error_code(house, sender) == 3
    missing = (await ask(house, "POST", f"/{one['id']}/verify")).json()
    assert not missing["verified"]
    assert "does not exist" in missing["dkimFailureReason"]

    publish(zone, one)
    soon = (await ask(house, "POST", f"/{one['id']}/verify")).json()
    assert soon == missing, "a look at most every 30 seconds"
    await later(house)
    seen = (await ask(house, "GET", f"/{one['id']}/")).json()
    flags = {name: value for name, value in seen.items() if name.endswith("erified")}
    assert set(flags.values()) == {True}
    assert seen["dkimFailureReason"] == ""
    await house.sent(sender=sender)

    listed = (await ask(house, "GET", "?search=NEW")).json()
    assert listed == [seen]
    assert len((await ask(house, "GET")).json()) == 2
    gone = await ask(house, "DELETE", f"/{one['id']}")
    assert gone.json() == {
        "id": one["id"],
        "message": "Domain (new.example) has been deleted successfully.",
    }
    assert await error_code(house, sender) == 3


async def test_legacy_makes_with_200(house: House) -> None:
    """And lists what it has."""
    made = await ask(house, "POST", "", NEW, contract="legacy")
    assert made.status_code == 200
    listed = (await ask(house, "GET", contract="legacy")).json()
    assert [one["name"] for one in listed] == ["new.example", DOMAIN]


@pytest.mark.parametrize(
    ("method", "rest", "body", "status"),
    [
        ("POST", "", {"name": DOMAIN.upper()}, 403),
        ("POST", "", {"name": "no domain"}, 422),
        ("POST", "", {"name": "localhost"}, 422),
        ("POST", "", {"name": "192.0.2.1"}, 422),
        ("POST", "", {"name": "new.example\r\nx"}, 422),
        ("POST", "", {"name": 5}, 422),
        ("POST", "", {}, 422),
        ("GET", "/999", None, 404),
        ("GET", "/x", None, 404),
        ("POST", "/999/verify", None, 404),
        ("DELETE", "/999", None, 404),
        ("PUT", "/1", {}, 405),
        ("GET", "?limit=0", None, 400),
    ],
)
async def test_what_is_wrong_says_so(
    house: House, method: str, rest: str, body: object, status: int
) -> None:
    """In the vendor's form, and nothing is made or lost."""
    error(await ask(house, method, rest, body), status)
    assert len((await ask(house, "GET")).json()) == 1


async def test_a_domain_is_its_owner_s_alone(house: House) -> None:
    """ATTACKS 12: another sub-account neither sees, checks nor removes it."""
    (one,) = (await ask(house, "GET")).json()
    path = f"/{one['id']}"
    assert (await ask(house, "GET", key=OTHER_KEY)).json() == []
    for method, rest in (("GET", path), ("POST", f"{path}/verify"), ("DELETE", path)):
        error(await ask(house, method, rest, key=OTHER_KEY), 404)
        error(await ask(house, method, rest, key=SEND_KEY), 403)
        error(await ask(house, method, rest, key="nobody"), 401)
    assert len((await ask(house, "GET")).json()) == 1
    # The same name is nobody's until the DNS says whose key it has.
    assert (await ask(house, "POST", "", NEW, key=OTHER_KEY)).status_code == 201
    assert (await ask(house, "POST", "", NEW)).status_code == 201


async def test_there_is_an_end_to_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs keys and looks at the DNS."""
    monkeypatch.setattr(domains, "MAX_DOMAINS", 1)
    param, message = error(await ask(house, "POST", "", NEW), 422)
    assert (param, message) == ("name", "A sub-account has at most 1 domains")
