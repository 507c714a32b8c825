"""Endpoints that are told of events, over TLS, by receivers that are real."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from appliance.core.event import EventType
from appliance.core.webhook import Standing
from appliance.flow.webhook_post import try_out
from appliance.net import http_client
from appliance.store.accounts import create_account
from appliance.store.events import list_events
from appliance.store.retention import prune
from appliance.store.webhook_tries import (
    ask_replay,
    count_waiting,
    list_tries,
    replay_progress,
)
from appliance.store.webhooks import (
    list_endpoints,
    remove_endpoint,
    rotate_secret,
    update_endpoint,
)
from tests.fakes.hooks import SECOND_NS, Hooks, open_hooks
from tests.fakes.receiver import (
    Answer,
    Received,
    Receiver,
    drip,
    endless,
    endless_head,
    hang,
    reset,
    status,
)
from tests.fakes.store import NOW_NS

HOUR = 3_600.0
SENT, OPENED = EventType.SENT, EventType.OPENED


def words(receiver: Receiver) -> list[object]:
    """What the receiver was told, in its order."""
    return [event(one)["typeName"] for one in receiver.received]


def event(one: Received) -> dict[str, object]:
    """The event of a request."""
    found = one.json["event"]
    assert isinstance(found, dict)
    return found


async def alarms(hooks: Hooks) -> list[str]:
    """The events about endpoints."""
    found = await hooks.store.read(list_events, limit=1_000)
    return [one.type.label for one in found if one.type >= EventType.WEBHOOK_DEGRADED]


async def test_each_event_arrives_once_and_in_order(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """What happened is posted over one kept connection; the cursor says how far."""
    async with open_hooks(tmp_path, at_a_time=1) as hooks:
        receiver = await Receiver().start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        for _ in range(5):
            await hooks.tell(EventType.PROCESSED, SENT)
        await hooks.go()
        await hooks.go()
        assert words(receiver) == ["processed", "sent"] * 5
        assert (await hooks.endpoint(made.id)).after == hooks.feed.last_number
        assert receiver.connections == 1


async def test_a_failed_event_is_posted_again_by_the_documented_plan(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """After 1 and 5 minutes, with the same body and id, signed anew each time."""
    async with open_hooks(tmp_path) as hooks:
        script = [status(500), status(503), status(200)]
        receiver = await Receiver(script).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(SENT)
        assert 59 < await hooks.go() <= 60
        assert len(receiver.received) == 1
        assert (await hooks.endpoint(made.id)).standing is Standing.DEGRADED
        assert 299 < await hooks.go(60) <= 300
        await hooks.go(300)
        first, second, third = receiver.received
        assert first.body == second.body == third.body
        signatures = {one.headers["x-sendpost-signature"] for one in receiver.received}
        assert len(signatures) == 3
        assert await hooks.store.read(count_waiting) == {}
        assert (await hooks.endpoint(made.id)).standing is Standing.ACTIVE
        tries = await hooks.store.read(list_tries, made.id, failed=False, limit=9)
        assert [(one.attempt, one.status, one.good) for one in tries] == [
            (3, 200, True),
            (2, 503, False),
            (1, 500, False),
        ]


async def test_an_event_behind_a_failed_one_is_not_held_up(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """What failed waits apart; the cursor goes on."""
    async with open_hooks(tmp_path, at_a_time=1) as hooks:
        receiver = await Receiver([status(400), status(200)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(EventType.PROCESSED, SENT, OPENED)
        await hooks.go()
        assert words(receiver) == ["processed", "sent", "opened"]
        assert await hooks.store.read(count_waiting) == {made.id: 1}


async def test_retry_after_is_obeyed(tmp_path: Path, nursery: trio.Nursery) -> None:
    """The receiver says when; until then it is asked for nothing, not even news."""
    async with open_hooks(tmp_path) as hooks:
        script = [status(429, retry_after="600"), status(200)]
        receiver = await Receiver(script).start(nursery, hooks.tls)
        await hooks.add(receiver.url)
        await hooks.tell(EventType.PROCESSED)
        await hooks.go()
        await hooks.tell(SENT)
        await hooks.go(500)
        assert len(receiver.received) == 1
        await hooks.go(101)
        assert sorted(map(str, words(receiver)[1:])) == ["processed", "sent"]


@pytest.mark.parametrize(
    "answer", [hang, reset, endless_head, status(302, location="/")]
)
async def test_what_is_no_answer_is_a_failure(
    tmp_path: Path, nursery: trio.Nursery, answer: Answer
) -> None:
    """ATTACKS 21, 22: silence, a closed connection, endless headers, a redirect.

    It takes no longer than the time an endpoint has, and no second address is asked.
    """
    async with open_hooks(tmp_path, timeout_s=0.3) as hooks:
        receiver = await Receiver([answer]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(SENT)
        with trio.fail_after(5):
            await hooks.go()
        assert len(receiver.received) == 1
        (one,) = await hooks.store.read(list_tries, made.id, failed=True, limit=9)
        assert one.error or one.status == 302
        assert await hooks.store.read(count_waiting) == {made.id: 1}


async def test_of_a_long_answer_the_first_kilobyte_is_read(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """ATTACKS 22: a 2xx counts, however much there is behind it."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([endless]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(SENT)
        with trio.fail_after(5):
            await hooks.go()
        (one,) = await hooks.store.read(list_tries, made.id, failed=False, limit=9)
        assert one.good
        assert one.answer == "x" * 1024


async def test_a_body_that_never_comes_does_not_undo_a_status(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ATTACKS 22 (slow-loris): the answer was given by its status."""
    async with open_hooks(tmp_path) as hooks:
        monkeypatch.setattr(http_client, "BODY_SECONDS", 0.1)
        receiver = await Receiver([drip]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(SENT)
        await hooks.go()
        (one,) = await hooks.store.read(list_tries, made.id, failed=False, limit=9)
        assert one.good


async def test_an_endpoint_that_hangs_holds_up_no_other(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """ATTACKS 22: each has its own connections and its own cursor."""
    async with open_hooks(tmp_path) as hooks:
        bad = await Receiver([hang]).start(nursery, hooks.tls)
        good = await Receiver().start(nursery, hooks.tls)
        await hooks.add(bad.url)
        await hooks.add(good.url)
        async with trio.open_nursery() as loop:
            loop.start_soon(hooks.webhooks.run)
            for _ in range(3):
                await hooks.tell(SENT)
            with trio.fail_after(4):
                while not bad.received or len(good.received) < 3:  # noqa: ASYNC110 - real servers
                    await trio.sleep(0.01)
            assert len(bad.received) <= 3
            loop.cancel_scope.cancel()


async def test_an_endpoint_that_is_down_for_days_loses_nothing(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """A few requests wait, the rest stays in the log; when it is back all arrive."""
    async with open_hooks(tmp_path, at_a_time=2) as hooks:
        receiver = await Receiver([status(500)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url, "postscale")
        for _ in range(60):
            await hooks.tell(EventType.PROCESSED)
            await hooks.go(HOUR)
        waiting = await hooks.store.read(count_waiting)
        assert waiting[made.id] < 20
        assert (await hooks.endpoint(made.id)).after < 30
        tried = len(receiver.received)
        assert tried < 200
        receiver.script = [status(200)]
        for _ in range(20):
            await hooks.go(HOUR)
        taken = {str(one.json["id"]) for one in receiver.received[tried:]}
        told = await hooks.store.read(list_tries, made.id, failed=True, limit=1000)
        given_up = {number for one in told if one.final for number in one.numbers}
        assert len(taken) + len(given_up) == 60
        assert await alarms(hooks) == ["webhook_degraded"]


async def test_an_endpoint_is_given_up_by_the_documented_rule(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """After 50 failures over a day, with an alarm; its owner brings it back.

    Then it is told all that happened meanwhile, from where it stood.
    """
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([status(500)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(*[SENT] * 40)
        for _ in range(56):
            await hooks.go(1_800)
        stored = await hooks.endpoint(made.id)
        assert stored.standing is Standing.DISABLED
        assert stored.reason == "HTTP 500"
        assert await alarms(hooks) == ["webhook_degraded", "webhook_disabled"]
        tried = len(receiver.received)
        await hooks.go(24 * HOUR)
        assert len(receiver.received) == tried
        receiver.script = [status(200)]
        await hooks.store.write(update_endpoint, made.id, stored)
        await hooks.directory.refresh()
        await hooks.go()
        await hooks.go(24 * HOUR)
        assert {number for one in await _good(hooks, made.id) for number in one} == set(
            range(1, 41)
        )


async def _good(hooks: Hooks, id_: object) -> list[tuple[int, ...]]:
    found = await hooks.store.read(list_tries, id_, failed=False, limit=500)  # type: ignore[arg-type]
    return [one.numbers for one in found if one.good]


async def test_batches_and_a_circuit_that_closes_by_itself(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Many events a request, gathered for two seconds; a test event probes."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([status(200)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url, "anypost")
        await hooks.tell(*[EventType.PROCESSED] * 120)
        assert 0 < await hooks.go() <= 2
        await hooks.go(2)
        sizes = [len(one.json["events"]) for one in receiver.received]  # type: ignore[arg-type]
        assert sum(sizes) == 120
        assert max(sizes) <= 100
        assert receiver.most_busy == 1
        receiver.script = [status(500)]
        await hooks.tell(OPENED)
        for _ in range(40):
            await hooks.tell(OPENED)
            await hooks.go(900)
        assert (await hooks.endpoint(made.id)).standing is Standing.DISABLED
        assert b"webhook.test" in receiver.received[-1].body
        receiver.script = [status(200)]
        for _ in range(50):
            await hooks.go(900)
        assert (await hooks.endpoint(made.id)).standing is Standing.ACTIVE
        assert any(b"email.opened" in one.body for one in receiver.received[-50:])


async def test_a_batch_keeps_its_id_in_every_try(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Receivers tell by it what came twice; only the time is new."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([status(500), status(200)]).start(nursery, hooks.tls)
        await hooks.add(receiver.url, "anypost")
        await hooks.tell(EventType.PROCESSED, OPENED)
        await hooks.go(3)
        await hooks.go(10)
        first, second = (one.json for one in receiver.received)
        assert first["batch_id"] == second["batch_id"]
        assert first["events"] == second["events"]
        assert first["timestamp"] != second["timestamp"]


async def test_gone_is_the_last_word_where_that_is_documented(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """A 410 is not tried again."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([status(410)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url, "postscale")
        await hooks.tell(SENT)
        await hooks.go()
        assert await hooks.store.read(count_waiting) == {}
        (one,) = await hooks.store.read(list_tries, made.id, failed=True, limit=9)
        assert one.final


async def test_while_a_secret_is_replaced_both_are_good(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """ATTACKS 22: two signatures for a day, then the new one alone."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver().start(nursery, hooks.tls)
        made = await hooks.add(receiver.url, "postscale")
        until_ns = hooks.now_ns + 86_400 * SECOND_NS
        await hooks.store.write(rotate_secret, made.id, "whsec_new", until_ns)
        await hooks.directory.refresh()
        await hooks.tell(SENT)
        await hooks.go()
        await hooks.tell(SENT)
        await hooks.go(86_401)
        marks = [
            one.headers["x-postscale-signature"].count("v1=")
            for one in receiver.received
        ]
        assert marks == [2, 1]


async def test_nobody_is_told_of_another_accounts_mail(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """ATTACKS 12: neither of another account's nor of another sub-account's."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver().start(nursery, hooks.tls)
        other = await hooks.store.write(create_account, "other", "eve", "hash", NOW_NS)
        assert other is not None
        await hooks.add(receiver.url)
        await hooks.tell(SENT, sub_account=other.id)
        await hooks.tell(OPENED)
        await hooks.go()
        assert words(receiver) == ["opened"]


async def test_a_message_that_names_an_endpoint_is_told_there_alone(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """All kinds of events of it, and none of them to the account's own endpoints."""
    async with open_hooks(tmp_path) as hooks:
        own = await Receiver().start(nursery, hooks.tls)
        named = await Receiver().start(nursery, hooks.tls)
        await hooks.add(own.url)
        plain = hooks.seeded.message()
        submission = replace(plain.submission, webhook_url=named.url)
        await hooks.accept(replace(hooks.seeded.message(), submission=submission))
        await hooks.accept(plain)
        await hooks.go()
        assert len(own.received) == len(named.received) == 1
        message = str(plain.deliveries[0].uuid)
        assert event(own.received[0])["messageId"] == message
        assert event(named.received[0])["messageId"] != message
        assert len(await hooks.store.read(list_endpoints)) == 2


async def test_a_private_address_is_not_called(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """ATTACKS 21: what a message names is judged as it is connected to."""
    async with open_hooks(tmp_path, allowed=()) as hooks:
        receiver = await Receiver().start(nursery, hooks.tls)
        made = await hooks.add(
            receiver.url.replace("localhost", "127.0.0.1.nip.example")
        )
        again = await hooks.add(receiver.url)
        await hooks.tell(SENT)
        await hooks.go()
        assert receiver.connections == 0
        for one in (made, again):
            (logged,) = await hooks.store.read(list_tries, one.id, failed=True, limit=9)
            assert logged.error


async def test_clear_text_is_refused_unless_it_is_allowed(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """A setting for tests lets http:// through."""
    for allow in (False, True):
        folder = tmp_path / str(allow)
        folder.mkdir()
        async with open_hooks(folder, allow_http=allow) as hooks:
            receiver = await Receiver().start(nursery)
            await hooks.add(receiver.url)
            await hooks.tell(SENT)
            await hooks.go()
            assert len(receiver.received) == int(allow)


async def test_a_certificate_of_another_name_is_refused(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """TLS is worth nothing to whoever answers in the host's place."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver().start(nursery, hooks.tls)
        made = await hooks.add(receiver.url.replace("localhost", "127.0.0.1"))
        await hooks.tell(SENT)
        await hooks.go()
        assert receiver.received == []
        (one,) = await hooks.store.read(list_tries, made.id, failed=True, limit=9)
        assert one.error.startswith("certificate:")


async def test_a_range_of_numbers_is_told_again(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """To one endpoint, with the ids of the first time, wanted or not if one says so."""
    async with open_hooks(tmp_path, at_a_time=1) as hooks:
        receiver = await Receiver().start(nursery, hooks.tls)
        made = await hooks.add(receiver.url, wanted=frozenset({"sent"}))
        for _ in range(4):
            await hooks.tell(EventType.PROCESSED, SENT)
        await hooks.go()
        first = [event(one)["eventId"] for one in receiver.received]
        replay = await hooks.store.write(ask_replay, made.id, 2, 6, everything=False)
        await hooks.directory.refresh()
        await hooks.go()
        again = [event(one)["eventId"] for one in receiver.received[4:]]
        assert again == first[1:3]
        assert await hooks.store.read(replay_progress, replay) is None
        await hooks.store.write(ask_replay, made.id, 0, 1, everything=True)
        await hooks.directory.refresh()
        await hooks.go()
        assert words(receiver)[-1] == "processed"


async def test_a_paused_endpoint_never_learns_what_happened_meanwhile(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Its owner wanted it so; what comes after is told."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver().start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        for enabled, told in ((False, SENT), (True, OPENED)):
            await hooks.store.write(
                update_endpoint, made.id, replace(made, enabled=enabled)
            )
            await hooks.directory.refresh()
            await hooks.tell(told)
            await hooks.go()
        assert words(receiver) == ["opened"]


async def test_events_that_were_not_told_are_kept_a_while_longer(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """As long as the long plan is; what is forgotten then is counted, with an alarm.

    An endpoint nobody can reach does not make the log grow without end.
    """
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([status(500)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(*[SENT] * 200)
        for _ in range(8):
            await hooks.go(900)
        day = 86_400 * SECOND_NS
        keep = {"keep_messages_ns": day, "keep_keys_ns": day, "batch": 1000}
        for days in (2, 5):
            later_ns = hooks.now_ns + days * day
            await hooks.store.write(
                prune, later_ns, keep_events_ns=day, keep_untold_ns=3 * day, **keep
            )
            left = await hooks.store.read(list_events, limit=1_000)
            assert (len(left) > 100) is (days == 2)
        await hooks.tell(OPENED)
        receiver.script = [status(200)]
        for _ in range(4):
            await hooks.go(900)
        stored = await hooks.endpoint(made.id)
        assert stored.missed > 100
        assert stored.after >= 201


async def test_an_endpoint_that_is_removed_is_told_nothing_more(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """What waited for it is gone too."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([status(500)]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url)
        await hooks.tell(SENT)
        await hooks.go()
        await hooks.store.write(remove_endpoint, made.id)
        await hooks.directory.refresh()
        await hooks.tell(SENT)
        await hooks.go(60)
        assert len(receiver.received) == 1
        assert await hooks.store.read(count_waiting) == {}


async def test_a_test_event_works_on_a_paused_endpoint_and_leaves_no_trace(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """It says what the receiver said."""
    async with open_hooks(tmp_path) as hooks:
        receiver = await Receiver([status(418, b"teapot")]).start(nursery, hooks.tls)
        made = await hooks.add(receiver.url, enabled=False)
        habits = hooks.webhooks.habits
        _, response = await try_out(made, habits, hooks.now_ns)
        assert (response.status, response.body) == (418, b"teapot")
        assert not await hooks.store.read(list_tries, made.id, failed=False, limit=9)
