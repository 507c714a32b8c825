"""A thousand mails and what comes back of them: the proof that no end is missed.

By the log agent on the real log of a real Postfix, and by that Postfix's own reports
to our port 25.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

import pytest

from tests.fakes.programs import wait_until
from tests.integration.comeback import (
    DELIVERED,
    HARD_BOUNCED,
    PROMPT,
    SOFT_BOUNCED,
    House,
    by_kind,
    everyone,
    house,
    suppressed,
    types_of,
)
from tests.integration.conftest import MakePostroom, Need, Tell
from tests.integration.house import api, mail, post, story_of
from tests.integration.world import People, people, rotate, witnessed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SUPPRESSED = 2  # the documented errorCode of a recipient who is
# 600 take it, 200 are unknown (at RCPT or after DATA), 100 are full (for good, or
# until it has expired), and 100 are put off once or twice.
TOWN = (
    people("friend", 600),
    people("stranger", 100),
    people("gone", 100),
    people("full", 50),
    people("filling", 50),
    people("grey", 100),
)
COMES_TO = {
    "friend": DELIVERED,
    "grey": DELIVERED,
    "stranger": HARD_BOUNCED,
    "gone": HARD_BOUNCED,
    "full": SOFT_BOUNCED,
    "filling": SOFT_BOUNCED,
}
REPORTS = 300  # one for each that is not delivered
LEARNT = {"agent": "the upstream's log", "dsn": "a bounce at the return path"}


def test_a_thousand_mails_come_back_as_they_went(
    make_postroom: MakePostroom, need: Need, tell: Tell
) -> None:
    """Of each mail one end is told: 700 delivered, 200 hard and 100 soft bounces.

    Meanwhile the agent is stopped, killed, and away, and the log is rotated while it
    reads and while it does not. The 200 are suppressed, and `explain` says where each
    end was learnt. Every refusal comes twice, by the log and as a report to port 25,
    now one first and now the other.
    """
    need("logrotate", "setpriv")
    addresses = everyone(TOWN)
    with house(make_postroom(PROMPT), TOWN) as one:
        send_with_trouble(one, addresses)
        wait_for_all(one, addresses)
        one.settle()
        ends = one.ends(addresses)
        kinds = by_kind(TOWN, types_of(ends))
        assert kinds == {
            town.kind: {(COMES_TO[town.kind],): len(town.addresses)} for town in TOWN
        }
        assert_as_witnessed(one)
        assert suppressed(one) == dict.fromkeys(unknown(TOWN), "hard_bounce")
        assert_refused_now(one, unknown(TOWN))
        learnt = Counter(end["data"]["via"] for (end,) in ends.values())
        assert set(learnt) == {"agent", "dsn"}
        for town in TOWN:
            tell_where(one, town.addresses[0])
        tell(
            f"700 delivered, 200 hard, 100 soft of {len(ends)};"
            f" learnt {learnt['agent']} by the agent and {learnt['dsn']} by report;"
            f" {one.reports_taken()} reports taken,"
            f" {one.greylist.put_off} times greylisted"
        )


def send_with_trouble(one: House, addresses: Sequence[str]) -> None:
    """Post all, and do to log and agent what happens to them in a year."""
    parts = [addresses[start : start + 200] for start in range(0, 1000, 200)]
    one.hold_reports()  # so that the agent is first
    one.agent.start()
    one.send(parts[0])
    rotate(one.upstream)  # while it reads
    one.send(parts[1])
    one.wait_for_ends(addresses[:400], 30, number=300)
    assert one.agent.stop() == 0
    one.let_reports_go()
    one.send(parts[2])
    rotate(one.upstream)  # while it is away
    one.agent.start()
    one.send(parts[3])
    one.agent.kill()
    one.send(parts[4])
    one.agent.start()
    rotate(one.upstream)


def wait_for_all(one: House, addresses: Sequence[str]) -> None:
    """Return once each mail has an end, and all reports are taken.

    A rotation has Postfix start anew. What was being delivered at that moment it can
    leave alone until its processes have ended: hence a real restart, when it is quiet.
    """
    with suppress(TimeoutError):
        one.wait_for_ends(addresses, 40)
    rotate(one.upstream)
    one.upstream.stop()
    one.upstream.start()
    one.upstream.flush()
    one.wait_for_ends(addresses, 30)
    wait_until(lambda: one.reports_taken() >= REPORTS, 30, "all reports", pause=0.5)


def unknown(town: Iterable[People]) -> list[str]:
    """All whom the world does not know."""
    kinds = ("stranger", "gone")
    return [each for one in town if one.kind in kinds for each in one.addresses]


def assert_as_witnessed(one: House) -> None:
    """Postfix's log, read by another reader, says the same of each mail."""
    seen = witnessed(one.upstream)
    last = {"friend": "sent", "grey": "sent", "filling": "expired"}
    for town in TOWN:
        expected = last.get(town.kind, "bounced")
        for address in town.addresses:
            assert seen[one.ids[address]][-1] == expected, address


def assert_refused_now(one: House, addresses: Sequence[str]) -> None:
    """The next mail to each is refused, and the answer says why."""
    with api(one.postroom) as client:
        answers = post(client, mail([{"email": address} for address in addresses]))
    assert [answer["errorCode"] for answer in answers] == [SUPPRESSED] * len(addresses)


def tell_where(one: House, address: str) -> None:
    """The story of the mail has its end, and the way by which it was learnt."""
    uuid = one.ids[address]
    (end,) = one.ends([address])[address]
    assert end in story_of(one.postroom, uuid)["events"]
    printed = one.postroom.run("explain", uuid).out
    assert f"learnt from {LEARNT[end['data']['via']]}" in printed
