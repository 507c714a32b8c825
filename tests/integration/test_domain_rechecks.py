"""Looking again at domains, in a real authoritative DNS server, day by day."""

import time
from typing import Any

import pytest
import trio

from appliance.flow.rechecks import Rechecks
from appliance.flow.setup import DataFolder, open_data
from appliance.net.dns import Resolver
from tests.fakes.dns_server import NsdServer
from tests.fakes.postroom import Postroom
from tests.integration.conftest import MakePostroom
from tests.integration.house import DOMAIN, dns_settings, publish

pytestmark = pytest.mark.integration

MINUTE_NS = 60 * 1_000_000_000
DAY_NS = 24 * 60 * MINUTE_NS


class Days:
    """The loop of a server that was left running, and its clock."""

    def __init__(self, postroom: Postroom, nsd: NsdServer) -> None:
        self._folder = DataFolder(postroom.data)
        self._nameserver = nsd.address
        self.now_ns = time.time_ns()

    def pass_by(self, nanoseconds: int) -> None:
        """Some time goes by, and the loop looks."""
        self.now_ns += nanoseconds
        trio.run(self._look)

    async def _look(self) -> None:
        async with open_data(self._folder) as store:
            resolver = Resolver([self._nameserver])
            loop = Rechecks(
                store, lambda: resolver, dns_seconds=2, clock=lambda: self.now_ns
            )
            await loop.run_once(self.now_ns)


def signatures(postroom: Postroom) -> dict[str, bool]:
    """Who would sign a mail, and whether receivers would find that true."""
    where = ("--from", f"a@{DOMAIN}", "--to", "b@rcpt.example", "--subject", "x")
    told = postroom.ask("send", *where, "--text", "x", "--dry-run")
    (delivery,) = told["deliveries"]
    return {one["selector"]: one["valid"] for one in delivery["dkim"]}


def serve(nsd: NsdServer, *lines: str, without: str = "\0") -> None:
    """The zone with more lines, or without those that hold a word."""
    kept = [one for one in nsd.zones[DOMAIN].splitlines() if without not in one]
    nsd.serve({DOMAIN: "\n".join([*kept, *lines])})


def shown(postroom: Postroom) -> dict[str, Any]:
    """The domain, and its DKIM record beside it."""
    facts: dict[str, Any] = postroom.ask("domain", "show", DOMAIN)
    (dkim,) = (
        one
        for one in facts["records"]
        if (one["purpose"], one["stage"]) == ("dkim", "active")
    )
    return {**facts, "dkim": dkim}


def test_what_is_published_verifies_by_itself(
    make_postroom: MakePostroom, nsd: NsdServer
) -> None:
    """Nobody runs a command; ten minutes later both keys sign, and that verifies."""
    postroom = make_postroom(dns_settings(nsd))
    publish(postroom, nsd)
    days = Days(postroom, nsd)
    days.pass_by(0)
    assert shown(postroom)["verified"] is False
    days.pass_by(10 * MINUTE_NS)
    assert shown(postroom)["verified"] is True
    assert signatures(postroom) == {"sp-dkim": True, "sp-dkim-ed": True}


def test_a_record_that_vanishes_is_lost_on_the_third_day(
    make_postroom: MakePostroom, nsd: NsdServer
) -> None:
    """A server that is away counts as nothing; the answer that it is gone does."""
    postroom = make_postroom(dns_settings(nsd))
    publish(postroom, nsd)
    days = Days(postroom, nsd)
    days.pass_by(10 * MINUTE_NS)
    nsd.close()
    for _ in range(3):
        days.pass_by(DAY_NS)
    dkim = shown(postroom)["dkim"]
    assert (dkim["verified"], dkim["failedLooks"]) == (True, 0)
    assert "no resolver answered" in dkim["failure"]

    right = nsd.zones[DOMAIN]
    serve(nsd, without="sp-dkim._domainkey")
    for day in (1, 2):
        days.pass_by(DAY_NS)
        found = shown(postroom)
        assert (found["verified"], found["dkim"]["failedLooks"]) == (True, day)
    days.pass_by(DAY_NS)
    assert shown(postroom)["verified"] is False
    assert "the name does not exist" in shown(postroom)["dkim"]["failure"]

    nsd.serve({DOMAIN: right})
    days.pass_by(10 * MINUTE_NS)
    assert shown(postroom)["verified"] is True


def test_keys_follow_each_other_without_a_bad_signature(
    make_postroom: MakePostroom, nsd: NsdServer
) -> None:
    """At every moment what signs can be verified by the DNS of that moment."""
    postroom = make_postroom(dns_settings(nsd))
    publish(postroom, nsd)
    days = Days(postroom, nsd)
    days.pass_by(10 * MINUTE_NS)
    rotated = postroom.ask("domain", "rotate", DOMAIN, "--selector", "key2")
    days.pass_by(10 * MINUTE_NS)
    assert signatures(postroom) == {"sp-dkim": True, "sp-dkim-ed": True}

    (line,) = (one["zone"] for one in rotated["records"] if one["stage"] == "next")
    serve(nsd, line)
    assert signatures(postroom) == {"sp-dkim": True, "sp-dkim-ed": True}
    days.pass_by(10 * MINUTE_NS)
    assert signatures(postroom) == {"key2": True, "sp-dkim-ed": True}
    stages = {one["selector"]: one["stage"] for one in shown(postroom)["keys"]}
    assert stages["sp-dkim"] == "retired"

    days.pass_by(7 * DAY_NS)
    serve(nsd, without="sp-dkim._domainkey")
    assert {one["selector"] for one in shown(postroom)["keys"]} == {
        "key2",
        "sp-dkim-ed",
    }
    assert signatures(postroom) == {"key2": True, "sp-dkim-ed": True}
