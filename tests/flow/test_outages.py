"""Upstreams that are away: no mail pays for it with one of its tries."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from appliance.core.attempt import Attempt, Ending
from appliance.core.breaker import PATIENCE, Condition, Health
from appliance.core.delivery import State
from appliance.core.event import EventType
from appliance.core.ids import DeliveryId
from appliance.flow.settle import SECOND_NS
from appliance.smtp.trail import CONTENT
from appliance.store.attempts import list_attempts
from appliance.store.deliveries import counts_by_state
from appliance.store.health import load_health
from appliance.store.messages import list_recent
from appliance.store.providers import NewProvider, update_provider
from appliance.store.transaction import View
from tests.fakes.floor import Floor, floor, waiting
from tests.fakes.upstream import Close, Doing, Hold, Say, Script

AWAY = Script({"BANNER": Close()})
HOUR = 3600 * SECOND_NS


async def until_down(made: Floor, failures: int = PATIENCE.failures) -> Health:
    """The health, once so many failures in a row are on disk; time passes."""
    found: list[Health] = []

    async def there() -> bool:
        health = await made.store.read(load_health)
        found[:] = health.values()
        if found and found[0].failures >= failures:
            return True
        made.now_ns += SECOND_NS
        made.relay.ring()
        return False

    await made.until(there)
    return found[0]


async def tries(made: Floor) -> list[list[Attempt]]:
    """The tries of each delivery."""

    def ask(view: View) -> list[list[Attempt]]:
        ids = view.db.execute("SELECT id FROM delivery ORDER BY id").fetchall()
        return [list_attempts(view, DeliveryId(id_)) for (id_,) in ids]

    return await made.store.read(ask)


async def waits(made: Floor) -> list[str]:
    """What each delivery waits for."""

    def ask(view: View) -> list[str]:
        rows = view.db.execute("SELECT waits_for FROM delivery ORDER BY id")
        return [text for (text,) in rows]

    return await made.store.read(ask)


async def states(made: Floor, state: State, number: int) -> None:
    """Returns once so many deliveries are in a state."""

    async def there() -> bool:
        return (await made.store.read(counts_by_state))[state] == number

    await made.until(there)


def due(made: Floor, at_ns: int) -> None:
    """It is that moment."""
    made.now_ns = at_ns
    made.relay.ring()


@pytest.mark.parametrize(
    "doing",
    [
        {"BANNER": Close()},
        {"BANNER": Say("421 4.3.2 shutting down")},
        {"BANNER": Say("554 5.7.1 go away")},
        {"EHLO": Say("421 no"), "HELO": Say("421 no")},
        {"EHLO": Say(b"garbage\r\n")},
    ],
)
async def test_an_upstream_that_is_away_costs_no_try(
    tmp_path: Path, doing: dict[str, Doing]
) -> None:
    """All mail waits, with no try counted, and all is sent when it is back.

    ATTACKS 23: whatever it does before it takes mail.
    """
    async with floor(tmp_path, Script(doing)) as made:
        await made.send("a@rcpt.test", "b@rcpt.test", "c@rcpt.test")
        health = await until_down(made)
        assert health.opened_ns is not None
        await states(made, State.QUEUED, 3)
        (left,) = await waiting(made, 0)
        assert "provider upstream" in (await waits(made))[0]
        assert made.of(EventType.DROPPED) == []
        made.upstream.scripts = (Script(),)
        assert health.probe_ns is not None
        due(made, health.probe_ns)
        sent = await made.until_events(EventType.SENT, 3)
        health = (await made.store.read(load_health))[made.seeded.provider.id]
        assert health.condition(made.now_ns) is Condition.UP
    assert [one.data["attempt"] for one in sent] == [1, 1, 1]
    assert len(made.upstream.received) == 3
    assert left.attempts == 0


async def test_one_mail_tries_an_upstream_that_was_down(tmp_path: Path) -> None:
    """While it is under way the others wait, and nobody turns in circles."""
    async with floor(tmp_path, AWAY) as made:
        await made.send(*(f"u{number}@rcpt.test" for number in range(20)))
        health = await until_down(made)
        await states(made, State.QUEUED, 20)
        held = trio.Event()
        made.upstream.scripts = (Script({"BANNER": (Hold(held), Close())}),)
        before = len(made.upstream.commands)
        assert health.probe_ns is not None
        due(made, health.probe_ns)
        await states(made, State.IN_FLIGHT, 1)
        await made.until_connections(before + 1)
        assert await made.relay.run_once(made.now_ns) > 0.5
        held.set()
        after = await until_down(made, health.failures + 1)
        assert len(made.upstream.commands) == before + 1
        assert after.opened_ns == health.opened_ns
        assert after.probe_ns == after.last_error_ns + PATIENCE.pause_after(4)
        assert made.of(EventType.DROPPED) == []


async def test_nothing_is_tried_while_it_is_down(tmp_path: Path) -> None:
    """New mail waits with the rest, and says for what."""
    async with floor(tmp_path, AWAY) as made:
        await made.send("a@rcpt.test")
        health = await until_down(made)
        before = len(made.upstream.commands)
        await made.send("b@rcpt.test")
        assert health.probe_ns is not None
        due(made, health.probe_ns - SECOND_NS)

        async def drawn() -> bool:
            return all(await waits(made))

        await made.until(drawn)
        await states(made, State.QUEUED, 2)
        assert len(made.upstream.commands) == before
    assert health.last_error == "closed: the upstream closed the connection"


async def test_answers_about_mail_say_nothing_bad_of_the_upstream(
    tmp_path: Path,
) -> None:
    """A hundred refusals, and hang-ups behind MAIL, leave it up."""
    script = Script({"RCPT": Say("450 4.2.1 busy")})
    async with floor(tmp_path, script) as made:
        await made.send(*(f"u{number}@rcpt.test" for number in range(9)))
        await waiting(made, 1)
        assert await made.store.read(load_health) == {}


async def test_a_421_in_the_middle_costs_few_mails_a_try(tmp_path: Path) -> None:
    """ATTACKS 23: who hears it has had its turn, the rest of the queue has not.

    So no single mail can be its cause for ever, and no storm burns all of them.
    """
    script = Script({"MAIL": Say("421 4.3.2 overloaded")})
    async with floor(tmp_path, script, most=2, tick_ns=SECOND_NS // 10) as made:
        await made.send(*(f"u{number}@rcpt.test" for number in range(40)))
        await until_down(made)
        await states(made, State.QUEUED, 40)
        charged = [one.attempts for one in await made.store.read(list_recent, 40)]
    assert sum(charged) < 10
    assert set(charged) == {0, 1}


async def test_mended_settings_are_tried_at_once(tmp_path: Path) -> None:
    """Nobody waits a quarter of an hour for a password that is right now."""
    async with floor(tmp_path) as made:
        provider = made.seeded.provider
        new = NewProvider(
            provider.name,
            host="no host",
            port=provider.port,
            security=provider.security,
        )
        await made.store.write(update_provider, provider.id, new)
        await made.directory.refresh()
        await made.send("a@rcpt.test")
        health = await until_down(made)
        assert "host is not" in health.last_error
        await states(made, State.QUEUED, 1)
        good = replace(new, host=provider.host)
        await made.store.write(update_provider, provider.id, good)
        await made.directory.refresh()
        assert health.probe_ns is not None
        assert made.now_ns < health.probe_ns
        (waiting_one,) = await waiting(made, 0)
        assert waiting_one.due_ns is not None
        due(made, waiting_one.due_ns)
        (sent,) = await made.until_events(EventType.SENT, 1)
    assert sent.data["attempt"] == 1


async def test_each_try_is_told_as_it_was(tmp_path: Path) -> None:
    """Not reached, refused, taken: with what was said, and what it counts."""
    refused = Script({"RCPT": [Say("450 4.2.1 busy"), None]})
    async with floor(tmp_path, AWAY, refused) as made:
        await made.send("a@rcpt.test")

        async def number(wanted: int) -> bool:
            return len((await tries(made))[0]) >= wanted

        for step, pause in ((1, SECOND_NS), (2, 60 * SECOND_NS)):
            await made.until(lambda step=step: number(step))  # type: ignore[misc]  # a closure over the loop
            due(made, made.now_ns + pause)
        await made.until_events(EventType.SENT, 1)
        ((away, busy, taken),) = await tries(made)
    assert [one.ending for one in (away, busy, taken)] == [
        Ending.NOT_REACHED,
        Ending.REJECTED,
        Ending.ACCEPTED,
    ]
    assert [one.counts for one in (away, busy, taken)] == [False, True, True]
    assert (away.stage, away.code, away.dialogue) == ("connect", 0, ())
    assert (busy.stage, busy.code, busy.text) == ("rcpt", 450, "4.2.1 busy")
    assert taken.connection is not None
    assert taken.connection.peer.startswith("127.0.0.1:")
    assert taken.connection.dialogue[0].text == "220 fake.test ESMTP"
    said = [one.text for one in taken.dialogue]
    ours = [one.text.split(":")[0] for one in taken.dialogue if one.ours]
    assert ours == ["RSET", "MAIL FROM", "RCPT TO", "DATA", CONTENT.decode()]
    assert said[-1] == "250 2.0.0 queued as 1"
    assert taken.answer_s is not None
    assert taken.answer_s >= 0
