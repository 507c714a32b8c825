from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.attempt import Ending, NewAttempt, Said
from appliance.core.delivery import Copy, Settlement, State
from appliance.core.ids import DeliveryId, ProviderId
from appliance.core.message import Request
from appliance.smtp.reply import ReplyReader
from appliance.smtp.trail import CONTENT, Opening, Trail
from appliance.store.attempt_codec import decode_trail, encode_trail
from appliance.store.attempts import MAX_KEPT, list_attempts
from appliance.store.claim import claim
from appliance.store.database import Store
from appliance.store.deliveries import settle
from appliance.store.messages import accept
from appliance.store.retention import prune
from appliance.store.transaction import View
from tests.fakes.store import NOW_NS, Seeded, sent

PLENTY = 1 << 30


def replies(raw: bytes) -> Trail:
    """A trail of what a server said."""
    trail, reader = Trail(), ReplyReader()
    reader.feed(raw)
    while (reply := reader.next_reply()) is not None:
        trail.note(reply)
    return trail


def attempt(
    ending: Ending, at_ns: int = NOW_NS, trail: Trail | None = None
) -> NewAttempt:
    """A try through provider 1."""
    detail = encode_trail(trail or Trail())
    return NewAttempt(ProviderId(1), at_ns - 5, at_ns, ending, "dot", 250, "ok", detail)


async def claimed(store: Store, seeded: Seeded, number: int = 1) -> list[Copy]:
    """Deliveries in flight."""
    for _ in range(number):
        await store.write_each(accept, Request((seeded.message(),)))
    return await store.write(claim, NOW_NS, number, PLENTY)


def later(copy: Copy, one: NewAttempt) -> Settlement:
    """Queued again at once, with its try."""
    return Settlement(
        copy.id, State.QUEUED, copy.attempts, NOW_NS, waits_for="it", attempt=one
    )


async def test_a_try_is_written_with_its_settlement(
    store: Store, seeded: Seeded
) -> None:
    """All that was said is there, in order, and the numbers follow each other."""
    (copy,) = await claimed(store, seeded)
    trail = replies(b"250 2.1.0 ok\r\n")
    one = attempt(Ending.REJECTED, trail=trail)
    assert await store.write_each(settle, later(copy, one))
    (again,) = await store.write(claim, NOW_NS, 1, PLENTY)
    two = attempt(Ending.ACCEPTED, NOW_NS + 9)
    assert await store.write_each(settle, replace(sent(again), attempt=two))
    first, second = await store.read(list_attempts, copy.id)
    assert (first.number, first.ending, first.ended_ns) == (
        1,
        Ending.REJECTED,
        NOW_NS,
    )
    assert first.dialogue == (Said(ours=False, text="250 2.1.0 ok"),)
    assert (second.number, second.ending, second.text) == (2, Ending.ACCEPTED, "ok")


async def test_a_settlement_that_is_too_late_leaves_no_try(
    store: Store, seeded: Seeded
) -> None:
    """What did not count is not told."""
    (copy,) = await claimed(store, seeded)
    one = replace(sent(copy), attempt=attempt(Ending.ACCEPTED))
    assert await store.write_each(settle, one)
    assert not await store.write_each(settle, one)
    assert len(await store.read(list_attempts, copy.id)) == 1


async def test_many_tries_of_a_commit_are_kept_apart(
    store: Store, seeded: Seeded
) -> None:
    """Each delivery has its own."""
    copies = await claimed(store, seeded, 90)
    items = [
        replace(sent(copy), attempt=attempt(Ending.ACCEPTED, NOW_NS + copy.id))
        for copy in copies
    ]
    assert await store.write(settle, items) == [True] * 90
    for copy in copies:
        (one,) = await store.read(list_attempts, copy.id)
        assert (one.number, one.ended_ns) == (1, NOW_NS + copy.id)


async def test_an_upstream_that_stays_away_fills_no_disk(
    store: Store, seeded: Seeded
) -> None:
    """Of tries that do not count only the last ones are kept."""
    await claimed(store, seeded)
    for number in range(MAX_KEPT + 20):
        if number:
            await store.write(claim, NOW_NS, 1, PLENTY)
        one = attempt(Ending.NOT_REACHED, NOW_NS + number)
        copy_id = await store.read(_only_id)
        item = Settlement(copy_id, State.QUEUED, 0, NOW_NS, attempt=one)
        assert await store.write_each(settle, item)
    kept = await store.read(list_attempts, copy_id)
    assert [one.ended_ns - NOW_NS for one in kept] == list(range(20, MAX_KEPT + 20))


async def test_tries_go_with_their_delivery(store: Store, seeded: Seeded) -> None:
    """Retention leaves nothing behind."""
    (copy,) = await claimed(store, seeded)
    one = replace(sent(copy), attempt=attempt(Ending.ACCEPTED))
    assert await store.write_each(settle, one)
    pruned = await store.write(
        prune,
        NOW_NS + 100,
        keep_events_ns=0,
        keep_messages_ns=0,
        keep_keys_ns=0,
        batch=10,
    )
    assert pruned.deliveries == 1
    assert await store.read(list_attempts, copy.id) == []


def test_a_dialogue_comes_back_as_it_was_said() -> None:
    """Commands without line ends, answers with code and enhanced code on each line."""
    trail = replies(b"250-2.1.0 one\r\n250 2.1.0 two\r\n354 go on\r\n")
    trail.note(b"DATA\r\n")
    trail.note(CONTENT)
    told = decode_trail(encode_trail(trail))
    assert [(said.ours, said.text) for said in told.dialogue] == [
        (False, "250-2.1.0 one"),
        (False, "250 2.1.0 two"),
        (False, "354 go on"),
        (True, "DATA"),
        (True, "[the content, and its final dot]"),
    ]
    assert told.connection is None


def test_what_mails_share_is_packed_once() -> None:
    """TLS, certificate, peer and greeting are those of the connection."""
    opening = Opening(0.0, "192.0.2.1:25", "TLSv1.3", "AES", {"subject": "CN=a"})
    opening.connect_s, opening.tls_s, opening.ready_s = 0.1, 0.2, 0.5
    opening.note(b"EHLO us.test\r\n")
    trails = [Trail(), Trail()]
    for at, trail in enumerate(trails):
        trail.begin(opening, 10.0 + at)
        trail.content_at, trail.ended_at = 11.0 + at, 11.5 + at
    first, second = (decode_trail(encode_trail(one)) for one in trails)
    assert first == second
    assert (first.envelope_s, first.answer_s) == (1.0, 0.5)
    assert first.connection is not None
    assert first.connection.peer == "192.0.2.1:25"
    assert first.connection.certificate == {"subject": "CN=a"}
    assert first.connection.tls_s == 0.2
    assert first.connection.dialogue == (Said(ours=True, text="EHLO us.test"),)


@given(st.binary(max_size=300))
def test_no_server_writes_what_cannot_be_shown(raw: bytes) -> None:
    """ATTACKS 23: whatever it says is printable text when it is read back."""
    line = raw.replace(b"\n", b" ")
    told = decode_trail(encode_trail(replies(b"550 " + line + b"\r\n")))
    for said in told.dialogue:
        assert said.text.isprintable()


def test_an_unknown_form_is_said() -> None:
    """A newer program's row is no puzzle."""
    with pytest.raises(ValueError, match="unknown form 07"):
        decode_trail(b"\x07abc")


def _only_id(view: View) -> DeliveryId:
    return DeliveryId(view.db.execute("SELECT id FROM delivery").fetchone()[0])
