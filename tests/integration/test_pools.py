"""Pools and limits over real upstreams: who gets which mail, when, and why."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.fakes.postfix import PostfixServer
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
    api,
    codes,
    delivery_of,
    events,
    idle,
    mail,
    story_of,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SHARES = {"big": 700, "middle": 200, "small": 100}
RATE = 10  # mails a second
SECOND = timedelta(seconds=1)


def serving(
    make_postroom: MakePostroom, upstreams: dict[str, PostfixServer], *words: str
) -> Postroom:
    """A Postroom with these upstreams in a pool of this shape; one try a mail."""
    postroom = make_postroom({"relay.retry_plan": "", **SOON})
    for name, upstream in upstreams.items():
        add_upstream(postroom, name, upstream.port)
    postroom.run("pool", "add", POOL, *words)
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)
    postroom.start()
    return postroom


def posted(postroom: Postroom, name: str, number: int) -> list[str]:
    """The ids of so many mails that were accepted in one request."""
    to = [{"email": f"{name}{one}@rcpt.example"} for one in range(number)]
    with api(postroom) as client:
        return accepted(client, mail(to))


def test_shares_are_true_over_a_restart(
    make_postroom: MakePostroom, start_postfix: StartPostfix, tell: Tell
) -> None:
    """A pool of 70/20/10 over three upstreams delivers 700/200/100 of 1,000."""
    upstreams = {name: start_postfix() for name in SHARES}
    shape = [f"{name}={number // 10}" for name, number in SHARES.items()]
    postroom = serving(make_postroom, upstreams, *shape)
    ids = set(posted(postroom, "before", 333))
    wait_until(lambda: idle(postroom), 60, "the end of the queue")
    postroom.stop()
    postroom.start()
    ids |= set(posted(postroom, "after", 667))
    wait_until(lambda: idle(postroom), 90, "the end of the queue")
    for name, number in SHARES.items():
        upstreams[name].wait_for(number, 60)
    arrived = {name: one.count() for name, one in upstreams.items()}
    assert arrived == SHARES
    copies = Counter(
        delivery_of(one) for each in upstreams.values() for one in each.messages()
    )
    assert set(copies) == ids
    assert max(copies.values()) == 1
    for name, each in upstreams.items():
        story = story_of(postroom, delivery_of(each.messages()[0]))
        assert story["provider"] == name
        assert story["draw"] == f"share {SHARES[name] // 10}% of pool {POOL}"
    tell(f"{len(ids)} accepted, arrived {arrived}")


def test_overflow_takes_mail_past_an_upstream_that_is_down(
    make_postroom: MakePostroom, start_postfix: StartPostfix
) -> None:
    """What was given to it before moves as well, without a try, and says why."""
    steady, shaky = start_postfix(), start_postfix()
    postroom = serving(
        make_postroom,
        {"steady": steady, "shaky": shaky},
        *("steady=50", "shaky=50", "--overflow"),
    )
    shaky.stop()
    ids = posted(postroom, "while-down", 60)
    steady.wait_for(60, 60)
    wait_until(lambda: idle(postroom), 30, "the end of the queue")
    assert {delivery_of(one) for one in steady.messages()} == set(ids)
    facts = events(postroom)
    assert all(codes(facts, uuid) == [PROCESSED, SENT] for uuid in ids)
    stories = [story_of(postroom, uuid) for uuid in ids]
    moved = [one["draw"] for one in stories if one["draw"].startswith("overflow")]
    assert moved
    assert all("shaky" in one for one in moved)
    assert all((one["provider"], one["attempts"]) == ("steady", 1) for one in stories)


def test_a_rate_is_kept_and_costs_no_try(
    make_postroom: MakePostroom, start_postfix: StartPostfix, tell: Tell
) -> None:
    """Ten a second: of fifty mails ten go at once, the others take four seconds.

    Who waits says for which limit, and until when; each needs its one try.
    """
    upstream = start_postfix()
    postroom = serving(make_postroom, {"slow": upstream}, "slow=100")
    postroom.run("provider", "set", "slow", "--max-rate-per-second", str(RATE))
    ids = posted(postroom, "limited", 5 * RATE)
    wait_until(lambda: _waits(postroom, ids[-1]), 4, "it says what it waits for")
    wait_until(lambda: idle(postroom), 60, "the end of the queue")
    assert {delivery_of(one) for one in upstream.wait_for(len(ids))} == set(ids)
    facts = events(postroom)
    assert all(codes(facts, uuid) == [PROCESSED, SENT] for uuid in ids)
    tries = [story_of(postroom, uuid)["tries"] for uuid in ids]
    assert all(len(one) == 1 for one in tries)
    began = sorted(datetime.fromisoformat(one[0]["beganAt"]) for one in tries)
    took = began[-1] - began[0]
    assert took > 3 * SECOND  # a second for the way from the token to the wire
    tell(f"{len(ids)} mails in {took.total_seconds():.1f} s")


def _waits(postroom: Postroom, uuid: str) -> bool:
    story = story_of(postroom, uuid)
    comes = story["next"]
    told = f"{RATE}/s" in comes["waitsFor"] and comes["at"] is not None
    return story["state"] == "queued" and told
