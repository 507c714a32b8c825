"""A real upstream that goes away and comes back: no mail pays for it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fakes.postfix import MAILDIRS, PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until
from tests.integration.conftest import MakePostroom, StartPostfix, Tell
from tests.integration.house import (
    DOMAIN,
    POOL,
    PROCESSED,
    SENT,
    SOON,
    accepted,
    add_upstream,
    all_arrived,
    api,
    codes,
    delivery_of,
    events,
    idle,
    mail,
    story_of,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MAILS = 100
IN_DOUBT, DROPPED = 69, 62
PICKY = "check_recipient_access hash:{folder}/etc/access, permit_mynetworks"


@pytest.fixture
def two(start_postfix: StartPostfix) -> tuple[PostfixServer, PostfixServer]:
    """Two upstreams; the second one will be stopped."""
    return start_postfix(), start_postfix()


def furnished(
    make_postroom: MakePostroom, two: tuple[PostfixServer, PostfixServer]
) -> Postroom:
    """A Postroom that shares its mail evenly among them, and serves."""
    # One try is all that a mail has: whoever burns one loses mail.
    postroom = make_postroom({"relay.retry_plan": "", **SOON})
    add_upstream(postroom, "steady", two[0].port)
    add_upstream(postroom, "shaky", two[1].port)
    postroom.run("pool", "add", POOL, "steady=50", "shaky=50")
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)
    postroom.start()
    return postroom


def posted(postroom: Postroom, name: str) -> set[str]:
    """The ids of mails that were accepted."""
    with api(postroom) as client:
        return {
            uuid
            for number in range(MAILS)
            for uuid in accepted(client, mail(f"{name}{number}@rcpt.example"))
        }


def health_of(postroom: Postroom, name: str) -> Any:
    """How an upstream is, as `provider list` says."""
    listed = postroom.run("provider", "list", "--json").json_lines()
    return next(one["health"] for one in listed if one["name"] == name)


def test_a_stopped_upstream_costs_no_try_and_no_mail(
    make_postroom: MakePostroom,
    two: tuple[PostfixServer, PostfixServer],
    tell: Tell,
) -> None:
    """Half of the mail waits for it and says so; with it back all arrives, once.

    Each mail has one try only, so none was spent. `explain` tells how it went.
    """
    steady, shaky = two
    postroom = furnished(make_postroom, two)
    shaky.stop()
    ids = posted(postroom, "while-away")
    wait_until(lambda: steady.count() == MAILS // 2, 30, "the other half")
    wait_until(lambda: health_of(postroom, "shaky")["state"] != "up", 30, "it is down")
    status = postroom.ask("status")
    assert status["down"]["shaky"]["lastError"] == "unreachable: Connection refused"
    assert "steady" not in status["down"]
    arrived = {delivery_of(one) for one in steady.messages()}
    waiting = sorted(ids - arrived)
    assert len(waiting) == MAILS // 2
    stories = [story_of(postroom, uuid) for uuid in waiting[:5]]
    held = [one for one in stories if one["state"] == "queued"]  # one may be a trial
    assert len(held) >= len(stories) - 1
    for story in held:
        assert (story["attempts"], story["provider"]) == (0, "shaky")
        assert "shaky" in story["next"]["waitsFor"]
        assert "Connection refused" in story["next"]["waitsFor"]

    shaky.start()
    wait_until(lambda: shaky.count() == MAILS // 2, 60, "the rest")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    wait_until(
        lambda: health_of(postroom, "shaky")["state"] == "up", 10, "it is up again"
    )
    copies = Counter(delivery_of(one) for one in steady.messages() + shaky.messages())
    assert set(copies) == ids
    assert max(copies.values()) == 1
    facts = events(postroom)
    assert all(codes(facts, uuid) == [PROCESSED, SENT] for uuid in ids)
    assert all(one["data"]["attempt"] == 1 for one in facts if one["type"] == SENT)
    stories = [story_of(postroom, uuid) for uuid in waiting]
    _tell_the_outage(stories)
    assert postroom.ask("explain", waiting[0])["deliveries"] == stories[:1]
    uncounted = sum(not one["counts"] for story in stories for one in story["tries"])
    log = postroom.log()
    assert log.count("provider.down") == 1
    assert log.count("provider.up") == 1
    tell(
        f"{len(ids)} accepted, {len(copies)} arrived; {uncounted} vain tries of"
        f" {len(waiting)} mails that waited, none counted"
    )


def _tell_the_outage(stories: list[Any]) -> None:
    """Some were not reached, then all were taken; who waited has only the latter."""
    vain = 0
    for story in stories:
        assert (story["state"], story["attempts"]) == ("sent", 1)
        *before, last = story["tries"]
        assert (last["ending"], last["counts"], last["provider"]) == (
            "accepted",
            True,
            "shaky",
        )
        assert last["dialogue"][0].startswith("C: MAIL FROM:<bounces+")
        assert last["dialogue"][-1].startswith("S: 250 2.0.0 Ok: queued as ")
        assert last["connection"]["dialogue"][0].startswith("S: 220 upstream.postfix")
        for one in before:
            assert (one["ending"], one["counts"]) == ("not reached", False)
            assert one["text"] == "unreachable: Connection refused"
        vain += len(before)
    assert vain


def test_a_restart_in_an_outage_changes_nothing(
    make_postroom: MakePostroom,
    two: tuple[PostfixServer, PostfixServer],
) -> None:
    """Killed while an upstream is away: it is still known to be, and mail waits."""
    steady, shaky = two
    postroom = furnished(make_postroom, two)
    shaky.stop()
    ids = posted(postroom, "killed")
    wait_until(lambda: health_of(postroom, "shaky")["state"] != "up", 30, "it is down")
    wait_until(lambda: steady.count() == MAILS // 2, 30, "the other half")
    wait_until(lambda: not postroom.ask("status")["inFlight"], 10, "a quiet moment")
    postroom.kill()
    assert health_of(postroom, "shaky")["state"] != "up"
    postroom.start()
    shaky.start()
    everything = all_arrived(shaky, ids - {delivery_of(o) for o in steady.messages()})
    wait_until(everything, 60, "the rest")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    copies = Counter(delivery_of(one) for one in steady.messages() + shaky.messages())
    assert set(copies) == ids
    assert max(copies.values()) == 1
    facts = events(postroom)
    assert all(codes(facts, uuid) == [PROCESSED, SENT] for uuid in ids)


def test_an_upstream_that_reloads_and_restarts_under_load(
    make_postroom: MakePostroom, start_postfix: StartPostfix, tell: Tell
) -> None:
    """All mail comes, by itself; twice only what was in doubt, and that said so.

    What a stop cut off behind the final dot counts as a try, and is sent again.
    """
    upstream = start_postfix()
    doubting = {"relay.retry_plan": "1s,1s", "relay.in_doubt_after": "2s"}
    postroom = make_postroom({**doubting, **SOON})
    add_upstream(postroom, "busy", upstream.port)
    postroom.run("pool", "add", POOL, "busy=100")
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)
    postroom.start()
    ids: set[str] = set()
    with ThreadPoolExecutor(1) as sender:
        for number, disturb in enumerate((upstream.reload, upstream.stop) * 2):
            posting = sender.submit(posted, postroom, f"round{number}-")
            enough = len(ids) + MAILS // 5
            upstream.wait_for(enough)
            disturb()
            if disturb == upstream.stop:
                upstream.start()
            ids |= posting.result()
            wait_until(all_arrived(upstream, ids), 60, "all mail of this round")
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    facts = events(postroom)
    doubted = {one["delivery"] for one in facts if one["type"] == IN_DOUBT}
    copies = Counter(delivery_of(one) for one in upstream.messages())
    assert set(copies) == ids
    assert {uuid for uuid, number in copies.items() if number > 1} <= doubted
    assert {one["delivery"] for one in facts if one["type"] == SENT} == ids
    assert not [one for one in facts if one["type"] == DROPPED]
    tell(f"{len(ids)} accepted, {len(copies)} arrived; {len(doubted)} were in doubt")


def test_an_upstream_that_refuses_by_its_own_settings(
    make_postroom: MakePostroom, start_postfix: StartPostfix
) -> None:
    """A 450 to one recipient is about that mail, and the upstream stays up."""
    picky = start_postfix(
        settings={**MAILDIRS, "smtpd_recipient_restrictions": PICKY},
        tables={"access": "busy@rcpt.example 450 4.2.0 later\n"},
    )
    postroom = make_postroom({"relay.retry_plan": "1h", **SOON})
    add_upstream(postroom, "picky", picky.port)
    postroom.run("pool", "add", POOL, "picky=100")
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)
    postroom.start()
    with api(postroom) as client:
        (busy,) = accepted(client, mail("busy@rcpt.example"))
        (fine,) = accepted(client, mail("fine@rcpt.example"))
    picky.wait_for(1)
    wait_until(lambda: story_of(postroom, busy)["attempts"] == 1, 10, "one try")
    story = story_of(postroom, busy)
    (one,) = story["tries"]
    assert (one["ending"], one["stage"], one["code"]) == ("rejected", "rcpt", 450)
    assert story["next"]["waitsFor"] == ""
    assert health_of(postroom, "picky")["state"] == "up"
    assert story_of(postroom, fine)["state"] == "sent"
