from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.core.address import Address, Mailbox
from appliance.core.credential import Credential
from appliance.core.event import EventFilter, EventType
from appliance.core.pool import Pool, by_shares
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import (
    AnyContent,
    Content,
    Dimensions,
    Idempotency,
    RawContent,
    Recipient,
    Submission,
)
from appliance.core.suppression import (
    EVERYTHING,
    Scope,
    Stop,
    SuppressionReason,
    Target,
    WholeDomain,
)
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.intake import Accepted, Intake
from appliance.flow.route import Origin, Question
from appliance.store.database import Store
from appliance.store.events import list_events
from appliance.store.pools import add_pool, remove_pool
from appliance.store.suppressions import add_suppression
from tests.fakes.store import CONTENT, NOW_NS, Seeded, open_temp_store, seed

BOB = Address("bob", "rcpt.test")
MANUAL = SuppressionReason.MANUAL


@dataclass
class Desk:
    """An intake over a real store."""

    store: Store
    seeded: Seeded
    directory: DirectoryKeeper
    intake: Intake

    @property
    def origin(self) -> Origin:
        """The seeded key."""
        return Origin(self.seeded.sub_account.id, self.seeded.credential)

    async def suppress(
        self,
        address: Target,
        scope: Scope = EVERYTHING,
        expires_ns: int | None = None,
    ) -> None:
        """Suppress an address and let memory know."""
        await self.store.write(
            add_suppression,
            self.seeded.sub_account.id,
            address,
            reason=MANUAL,
            now_ns=NOW_NS - 9,
            scope=scope,
            expires_ns=expires_ns,
        )
        await self.directory.refresh()

    async def history(self) -> list[tuple[EventType, str]]:
        """All events: type and recipient."""
        events = await self.store.read(list_events, EventFilter(), limit=100)
        return [(one.type, one.about.recipient) for one in events]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A store with a tenant, a verified domain and a pool."""
    async with open_temp_store(tmp_path) as store:
        seeded = await seed(store)
        directory = await DirectoryKeeper.load(store)
        yield Desk(store, seeded, directory, Intake(store, directory, lambda: NOW_NS))


def to(address: Address = BOB, **more: object) -> Submission:
    """A submission to one address."""
    return Submission(CONTENT, (Recipient(Mailbox(address)),), **more)  # type: ignore[arg-type]


def copies(*addresses: Address) -> tuple[Recipient, ...]:
    """Those who get a copy."""
    return tuple(Recipient(Mailbox(one)) for one in addresses)


async def test_what_is_accepted_is_on_disk(desk: Desk) -> None:
    """The id that the sender gets is that of the event."""
    (verdict,) = await desk.intake.take(desk.origin, [to()])
    assert isinstance(verdict, Accepted)
    (event,) = await desk.store.read(list_events, EventFilter(), limit=9)
    assert (event.type, event.about.message) == (EventType.PROCESSED, verdict.message)
    assert event.about.pool == "main"


async def test_listeners_hear_of_new_mail_once_it_is_on_disk(desk: Desk) -> None:
    """The relay need not poll."""
    told: list[list[AnyContent]] = []
    desk.intake.on_accepted(lambda contents: told.append(list(contents.values())))
    await desk.intake.take(desk.origin, [to(), to()])
    await desk.intake.take(desk.origin, [to(pool="nowhere")])
    assert told == [[CONTENT]]


async def test_each_envelope_recipient_is_a_delivery_once(desk: Desk) -> None:
    """Copies have their own; an address named twice gets one mail."""
    ann, carl = Address("ann", "rcpt.test"), Address("carl", "rcpt.test")
    shouted = Address("BOB", "rcpt.test")
    submission = to(cc=copies(ann, shouted), bcc=copies(carl, ann))
    await desk.intake.take(desk.origin, [submission])
    recipients = [recipient for _, recipient in await desk.history()]
    assert recipients == [str(BOB), str(ann), str(carl)]


async def test_a_suppressed_recipient_is_recorded_and_not_tried(desk: Desk) -> None:
    """The sender gets an id and the reason; the log says processed, then dropped."""
    await desk.suppress(Address("Bob", "rcpt.test"))
    (verdict,) = await desk.intake.take(desk.origin, [to()])
    assert isinstance(verdict, Accepted)
    assert verdict.refusal is not None
    assert verdict.refusal.reason is Reason.RECIPIENT_SUPPRESSED
    assert await desk.history() == [
        (EventType.PROCESSED, str(BOB)),
        (EventType.DROPPED, str(BOB)),
    ]


async def test_a_suppressed_to_stops_its_copies(desk: Desk) -> None:
    """The sender was told that this message is not sent: then none of it is."""
    ann = Address("ann", "rcpt.test")
    await desk.suppress(BOB)
    await desk.intake.take(desk.origin, [to(cc=copies(ann))])
    assert (EventType.DROPPED, str(ann)) in await desk.history()


async def test_a_suppressed_copy_stops_only_itself(desk: Desk) -> None:
    """The others get their mail."""
    ann = Address("ann", "rcpt.test")
    await desk.suppress(ann)
    (verdict,) = await desk.intake.take(desk.origin, [to(cc=copies(ann))])
    assert isinstance(verdict, Accepted)
    assert verdict.refusal is None
    dropped = [who for kind, who in await desk.history() if kind is EventType.DROPPED]
    assert dropped == [str(ann)]


async def test_all_at_a_suppressed_domain_are_recorded_and_not_tried(
    desk: Desk,
) -> None:
    """Whole domains too; the address's own reason is told before the domain's."""
    await desk.suppress(WholeDomain("rcpt.test"))
    owner = desk.seeded.sub_account.id
    assert desk.directory.suppression(owner, BOB, NOW_NS) == Stop(MANUAL)
    assert not desk.directory.is_suppressed(owner, Address("bob", "a.rcpt.test"))
    await desk.store.write(
        add_suppression, owner, BOB, reason=SuppressionReason.HARD_BOUNCE, now_ns=NOW_NS
    )
    await desk.directory.refresh()
    found = desk.directory.suppression(owner, BOB, NOW_NS)
    assert found == Stop(SuppressionReason.HARD_BOUNCE)


@pytest.mark.parametrize(
    ("scope", "topic", "stopped"),
    [
        (Scope("news"), "news", True),
        (Scope("news"), "other", False),
        (Scope("news"), "", False),
        (Scope("", CONTENT.sender.address.domain), "", True),
        (Scope("", "other.example"), "", False),
    ],
)
async def test_some_mail_only_is_stopped(
    desk: Desk, scope: Scope, topic: str, *, stopped: bool
) -> None:
    """Of that topic, or from that domain; mail without a topic is of none."""
    await desk.suppress(BOB, scope=scope)
    submission = replace(to(), dimensions=Dimensions(topic=topic))
    await desk.intake.take(desk.origin, [submission])
    assert ((EventType.DROPPED, str(BOB)) in await desk.history()) is stopped
    assert not desk.directory.is_suppressed(desk.seeded.sub_account.id, BOB)


@pytest.mark.parametrize(("later_ns", "stopped"), [(1, True), (0, False)])
async def test_what_has_ended_stops_nothing(
    desk: Desk, later_ns: int, *, stopped: bool
) -> None:
    """Also before it is lifted: memory knows when it ends."""
    await desk.suppress(BOB, expires_ns=NOW_NS + later_ns)
    await desk.intake.take(desk.origin, [to()])
    assert ((EventType.DROPPED, str(BOB)) in await desk.history()) is stopped


async def test_a_lifted_suppression_no_longer_counts(desk: Desk) -> None:
    """Memory follows the removal as it follows the addition."""
    from appliance.store.suppressions import remove_suppression

    await desk.suppress(BOB)
    await desk.store.write(remove_suppression, desk.seeded.sub_account.id, BOB)
    await desk.directory.refresh()
    assert not desk.directory.is_suppressed(desk.seeded.sub_account.id, BOB)


def sender(text: str) -> Content:
    """A content from another domain."""
    return replace(CONTENT, sender=Mailbox(Address("x", text)))


async def refused(desk: Desk, submission: Submission, origin: Origin) -> Reason:
    """The reason of a refusal that stored nothing."""
    (verdict,) = await desk.intake.take(origin, [submission])
    assert isinstance(verdict, Refusal)
    assert await desk.history() == []
    return verdict.reason


async def test_an_unknown_sender_domain_is_refused(desk: Desk) -> None:
    """ATTACKS 7: only a domain that the sub-account has proven."""
    submission = replace(to(), content=sender("elsewhere.test"))
    assert await refused(desk, submission, desk.origin) is Reason.SENDER_NOT_VERIFIED


async def test_a_sub_domain_is_not_the_domain(desk: Desk) -> None:
    """Only the exact domain is proven."""
    submission = replace(to(), content=sender(f"a.{desk.seeded.domain.name}"))
    assert await refused(desk, submission, desk.origin) is Reason.SENDER_NOT_VERIFIED


async def test_another_tenant_s_domain_is_refused(desk: Desk) -> None:
    """ATTACKS 12: a domain belongs to one sub-account."""
    origin = Origin(type(desk.seeded.sub_account.id)(999))
    assert await refused(desk, to(), origin) is Reason.SUB_ACCOUNT_BLOCKED


async def test_a_key_limited_to_other_domains_is_refused(desk: Desk) -> None:
    """ATTACKS 7: key limited to domain A while the header says B."""
    limited: Credential = replace(
        desk.seeded.credential, allowed_domains=frozenset({"other.test"})
    )
    origin = Origin(desk.seeded.sub_account.id, limited)
    assert await refused(desk, to(), origin) is Reason.SENDER_NOT_PERMITTED


async def test_an_unknown_pool_is_refused(desk: Desk) -> None:
    """A typo does not send through another provider."""
    submission = to(pool="typo")
    assert await refused(desk, submission, desk.origin) is Reason.UNKNOWN_POOL


async def test_a_named_pool_is_used(desk: Desk) -> None:
    """Pools made while the server runs are known after a refresh."""
    await desk.store.write(
        add_pool, by_shares("second", [(desk.seeded.provider.id, 100)])
    )
    await desk.directory.refresh()
    await desk.intake.take(desk.origin, [to(pool="second")])
    (event,) = await desk.store.read(list_events, EventFilter(), limit=9)
    assert event.about.pool == "second"


async def test_the_checks_are_asked_in_the_documented_order(desk: Desk) -> None:
    """Sub-account, sender, its domain, then the pool (each hides the later ones)."""
    stranger = Origin(type(desk.seeded.sub_account.id)(999))
    wrong = Address("x", "elsewhere.test")
    right = CONTENT.sender.address

    def ask(origin: Origin, who: Address | None, pool: str) -> Reason | None:
        refusal = desk.intake.refuse(Question(origin, who, pool))
        return refusal.reason if refusal else None

    assert ask(stranger, None, "typo") is Reason.SUB_ACCOUNT_BLOCKED
    assert ask(desk.origin, None, "typo") is Reason.SENDER_INVALID
    assert ask(desk.origin, wrong, "typo") is Reason.SENDER_NOT_VERIFIED
    assert ask(desk.origin, right, "typo") is Reason.UNKNOWN_POOL
    assert ask(desk.origin, right, "") is None


async def test_a_pool_that_was_just_removed_takes_nothing(desk: Desk) -> None:
    """Memory may lag behind; the transaction does not."""
    pool = await desk.store.write(
        add_pool, by_shares("brief", [(desk.seeded.provider.id, 100)])
    )
    assert isinstance(pool, Pool)
    await desk.directory.refresh()
    await desk.store.write(remove_pool, pool.id)
    assert await refused(desk, to(pool="brief"), desk.origin) is Reason.UNKNOWN_POOL
    assert "brief" not in desk.directory.current.pools


def raw(*to: Address) -> Submission:
    """A whole mail for several envelope recipients."""
    content = RawContent(CONTENT.sender, "Hi", "1@sender.example", b"From: x\r\n\r\n")
    return Submission(content, tuple(Recipient(Mailbox(one)) for one in to))


async def test_each_recipient_of_a_whole_mail_stands_for_itself(desk: Desk) -> None:
    """A suppressed one stops nobody else; the ids are in the order of the envelope."""
    ann = Address("ann", "rcpt.test")
    await desk.suppress(BOB)
    (verdict,) = await desk.intake.take(desk.origin, [raw(BOB, ann)])
    assert isinstance(verdict, Accepted)
    assert len(verdict.deliveries) == 2
    assert await desk.history() == [
        (EventType.PROCESSED, str(BOB)),
        (EventType.DROPPED, str(BOB)),
        (EventType.PROCESSED, str(ann)),
    ]
    events = await desk.store.read(list_events, EventFilter(), limit=9)
    assert events[2].about.delivery == verdict.deliveries[1]


async def test_the_same_key_gets_the_same_answer(desk: Desk) -> None:
    """And nothing is stored a second time."""
    key = Idempotency(b"k", b"mark", since_ns=0)
    (first,) = await desk.intake.take(desk.origin, [raw(BOB)], key)
    (again,) = await desk.intake.take(desk.origin, [raw(BOB)], key)
    assert isinstance(first, Accepted)
    assert again == first
    assert len(await desk.history()) == 1


async def test_a_key_used_for_another_mail_is_refused(desk: Desk) -> None:
    """Neither is it sent nor taken for the first one."""
    await desk.intake.take(desk.origin, [raw(BOB)], Idempotency(b"k", b"1", since_ns=0))
    (verdict,) = await desk.intake.take(
        desk.origin, [raw(BOB)], Idempotency(b"k", b"2", since_ns=0)
    )
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.IDEMPOTENCY_MISMATCH


async def test_without_room_nothing_is_taken(desk: Desk) -> None:
    """The mail's size counts; what is said is the room's own word."""
    full = Refusal(Reason.STORE_UNAVAILABLE, "disk")
    asked: list[int] = []

    def no_room(size_bytes: int) -> Refusal | None:
        asked.append(size_bytes)
        return full

    intake = Intake(desk.store, desk.directory, lambda: NOW_NS, no_room)
    assert await intake.take(desk.origin, [to(), to()]) == [full, full]
    assert asked == [CONTENT.size_bytes]
    assert await desk.history() == []


async def test_what_was_attached_is_in_each_event(desk: Desk) -> None:
    """Readers find the mail again by its tags, topic, campaign and metadata."""
    attached = Dimensions(tags=("a",), topic="t", campaign="c", metadata={"k": "v"})
    await desk.suppress(BOB)
    await desk.intake.take(desk.origin, [to(dimensions=attached)])
    events = await desk.store.read(list_events, EventFilter(), limit=9)
    assert [one.about.dimensions for one in events] == [attached, attached]
