"""Each way by which an end is learnt, by itself, with real servers and a real log."""

from collections.abc import Iterator

import pytest

from tests.fakes.log_agent import NOBODY
from tests.fakes.postfix import PostfixServer
from tests.fakes.programs import wait_until
from tests.integration.comeback import (
    DELIVERED,
    HARD_BOUNCED,
    PROMPT,
    House,
    house,
    suppressed,
    types_of,
)
from tests.integration.conftest import Need, NeedJournal, postrooms
from tests.integration.house import story_of, wait_for_event
from tests.integration.world import (
    AFTER_DATA,
    WORLD,
    log_lines,
    people,
    queue_id_of,
    rotate,
    table,
    witnessed,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FRIENDS, GONE = people("friend", 150), people("gone", 40)
GHOSTS, LIARS = people("ghost", 10), people("liar", 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house for all tests here; each takes addresses of its own."""
    with (
        postrooms(tmp_path_factory.mktemp("reporters")) as make,
        house(make(PROMPT), (FRIENDS, GONE, GHOSTS, LIARS)) as one,
    ):
        yield one


@pytest.fixture
def one(whole: House, need: Need) -> Iterator[House]:
    """That house with the agent running."""
    need("setpriv")
    whole.agent.start()
    yield whole
    whole.agent.end()


def some(first: int, last: int) -> list[str]:
    """Addresses of friends, each fifth of them gone."""
    return [
        FRIENDS.addresses[number] if number % 5 else GONE.addresses[number // 5]
        for number in range(first, last)
    ]


def as_they_are(addresses: list[str]) -> dict[str, list[int]]:
    """What becomes of mail to these."""
    gone = set(GONE.addresses)
    return {one: [HARD_BOUNCED if one in gone else DELIVERED] for one in addresses}


def test_what_was_taken_and_then_bounced_comes_back_by_a_report(one: House) -> None:
    """Delivered by the log, then a hard bounce by the world's own report, once each.

    A server that takes mail first and looks for the mailbox later sends a report to
    the return path days on; no log here knows of it.
    """
    one.hold_reports()
    one.refresh()
    one.send(GHOSTS.addresses)
    one.wait_for_ends(GHOSTS.addresses, 30)
    one.let_reports_go()
    one.refresh()
    for address in GHOSTS.addresses:
        wait_for_event(one.postroom, HARD_BOUNCED, one.ids[address], 30)
    one.settle()
    for found in one.ends(GHOSTS.addresses).values():
        told = [(end["type"], end["data"]["via"]) for end in found]
        assert told == [(DELIVERED, "agent"), (HARD_BOUNCED, "dsn")]
    assert all(suppressed(one)[each] == "hard_bounce" for each in GHOSTS.addresses)


def test_a_log_that_is_copied_and_truncated_is_read_on(one: House, need: Need) -> None:
    """copytruncate, while the agent reads and while it is away: all is told once."""
    need("logrotate")
    addresses = some(0, 75)
    one.send(addresses[:25])
    one.wait_for_ends(addresses[:25], 30)
    rotate(one.upstream, copying=True)
    one.send(addresses[25:50])
    one.wait_for_ends(addresses[25:50], 30)
    assert one.agent.stop() == 0
    rotate(one.upstream, copying=True)
    one.send(addresses[50:])
    one.agent.start()
    one.wait_for_ends(addresses, 30)
    one.settle()
    assert types_of(one.ends(addresses)) == as_they_are(addresses)


def test_what_others_say_is_not_taken_for_a_line_of_the_log(one: House) -> None:
    """ATTACKS 25: a remote answer that looks like a line ends nobody else's mail."""
    victim, liar = FRIENDS.addresses[149], LIARS.addresses[0]
    one.world.stop()
    one.send([victim])
    uuid = one.ids[victim]
    wait_until(lambda: uuid in witnessed(one.upstream), 30, "it is put off")
    lies = lines_about(queue_id_of(one.upstream, uuid))
    lying = f"{liar} 550 5.1.1 no{lies}\n"
    one.world.write_table("after_data", table([GONE], AFTER_DATA) + lying)
    one.world.start()
    one.send([liar])
    one.wait_for_ends([liar, victim], 30)
    one.settle()
    ends = one.ends([victim, liar])
    assert types_of(ends) == {victim: [DELIVERED], liar: [HARD_BOUNCED]}
    assert "status=bounced" in ends[liar][0]["data"]["text"]
    assert witnessed(one.upstream)[uuid] == ["deferred", "sent"]


def lines_about(queue_id: str) -> str:
    """An answer's text that ends a line of a log, and goes on with lines of its own."""
    said = f"{queue_id}: to=<x@{WORLD}>, relay=x[192.0.2.1]:25, delay=1, delays=0/0/0/1"
    return (
        f") Nov 26 05:32:09 upstream postfix/smtp[7]: {said}, dsn=5.1.1,"
        " status=bounced (550 no"
    )


def test_the_journal_is_read_as_a_file_is(
    one: House, need_journal: NeedJournal
) -> None:
    """A real journald and a real `journalctl`; a restart goes on where it ended."""
    one.agent.stop()
    journal, fed = need_journal(), len(list(log_lines(one.upstream)))
    agent = one.agent.again({"log-path": "journal"})
    try:
        for first, last in ((75, 100), (100, 125)):
            addresses = some(first, last)
            agent.start(journal.folder)
            one.send(addresses)
            wait_for_tries(one.upstream, [one.ids[each] for each in addresses])
            lines = list(log_lines(one.upstream))
            for line in lines[fed:]:
                journal.write(line)
            fed = len(lines)
            one.wait_for_ends(addresses, 30)
            assert agent.stop() == 0
    finally:
        agent.close()
    addresses = some(75, 125)
    ends = one.ends(addresses)
    assert types_of(ends) == as_they_are(addresses)
    assert ends[FRIENDS.addresses[76]][0]["data"]["via"] == "agent"


def wait_for_tries(server: PostfixServer, ids: list[str]) -> None:
    """Return once its log has a try of each of these."""

    def there() -> bool:
        return witnessed(server).keys() >= set(ids)

    wait_until(there, 30, "all is tried", pause=0.2)


def test_the_agent_has_no_rights_and_hides_its_key(one: House) -> None:
    """ATTACKS 25: nobody runs it, and neither process list nor log has the key."""
    address = FRIENDS.addresses[148]
    one.send([address])
    one.wait_for_ends([address], 30)
    key = one.agent.key_file.read_text(encoding="ascii").strip()
    assert one.agent.user == NOBODY
    assert key not in one.agent.arguments
    assert key not in one.agent.log()
    story = story_of(one.postroom, one.ids[address])
    assert story["provider"] == "postfix"
