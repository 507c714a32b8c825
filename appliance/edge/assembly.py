"""What the process is made of: everything that runs in it, and how it is joined.

Starting and ending it, in order, is `serve`'s.
"""

import time
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from appliance.core.breaker import Patience
from appliance.core.delivery import Copy
from appliance.core.doubt import Wish
from appliance.core.retry import RetryPlan
from appliance.core.token import TokenMaker
from appliance.core.visitor import Keep
from appliance.dialects.sendpost import paths
from appliance.dialects.sendpost.headers import trace_headers
from appliance.edge.app import Rooms
from appliance.edge.doors import (
    make_account_door,
    make_desk,
    make_live_door,
    make_send_door,
    make_sub_account_door,
    make_tracker,
)
from appliance.edge.http.reports import ReportDoor
from appliance.edge.keys import KeyRing
from appliance.edge.live import LiveDoor
from appliance.edge.smtp.desk import Desk
from appliance.edge.smtp.guard import Guard, Thresholds
from appliance.edge.smtp.reading import SECOND_NS
from appliance.edge.tickets import Tickets
from appliance.flow.classifier import Classifier
from appliance.flow.clockwatch import ClockWatch
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.doubts import Doubting, Doubts
from appliance.flow.dry_run import DryRun
from appliance.flow.engagement import EngagementDesk
from appliance.flow.feed import Feed
from appliance.flow.heart import Heart
from appliance.flow.intake import Intake
from appliance.flow.prepare import Links
from appliance.flow.queue import QueueDesk
from appliance.flow.rechecks import Rechecks
from appliance.flow.relay import Bounds, Relay
from appliance.flow.reports import ReportDesk
from appliance.flow.return_places import Places
from appliance.flow.returns import ReturnDesk
from appliance.flow.room import Floor, Room, free_bytes_of
from appliance.flow.settle import Policy
from appliance.flow.setup import DataFolder
from appliance.flow.stats import Statistics
from appliance.flow.upkeep import Retention, Upkeep
from appliance.flow.upstreams import LaneMaker, Manners
from appliance.flow.webhook_post import habits_of
from appliance.flow.webhooks import Webhooks
from appliance.flow.workshop import Trace, Workshop
from appliance.mime.compose import Headers
from appliance.net.dns import Resolver
from appliance.net.upstream import Timeouts
from appliance.settings import Settings
from appliance.store.database import Store
from appliance.store.events import last_number
from appliance.store.tokens import Classify, class_by_name

TOKENS = b"tracking tokens"  # what the key that seals links is for


@dataclass(frozen=True, slots=True)
class Services:
    """What runs beside the doors, and what the doors lead to."""

    feed: Feed
    room: Room
    guard: Guard
    desk: Desk
    returns: ReturnDesk
    heart: Heart
    upkeep: Upkeep
    workshop: Workshop
    relay: Relay
    doubts: Doubts
    clockwatch: ClockWatch
    classifier: Classifier
    rechecks: Rechecks
    rooms: Rooms
    live: LiveDoor
    webhooks: Webhooks
    statistics: Statistics


async def assemble(
    store: Store, folder: DataFolder, settings: Settings, operator_key: str
) -> Services:
    """Everything that runs in the process, joined and not yet started."""
    directory = await DirectoryKeeper.load(store)
    feed = Feed(store, await store.read(last_number))
    store.on_commit(feed.publish)
    tokens = TokenMaker(derived(folder.read_secret(), TOKENS))
    workshop = make_workshop(store, directory, tokens, settings)
    classifier = make_classifier(store, settings)
    await classifier.load()
    relay = _make_relay(store, directory, workshop, settings, classifier.of)
    room = _make_room(store, folder, settings)
    intake = Intake(store, directory, time.time_ns, room.refusal)
    intake.on_accepted(relay.expect)
    keys = KeyRing(directory, operator_key)
    statistics = Statistics(store, time.time_ns)
    guard = Guard(store, directory, Thresholds.of(settings.smtp), time.time_ns)
    engagement = EngagementDesk(
        store, directory, tokens, time.time_ns, keep=Keep(settings.tracking.ip)
    )
    reports = _make_reports(store, directory, settings)
    places = Places(store, directory, tokens)
    returns = ReturnDesk(store, places, reports, engagement)
    dry_run = make_dry_run(
        store, directory, intake, workshop, settings, classify=classifier.of
    )
    rooms = Rooms(
        store=store,
        feed=feed,
        send=make_send_door(intake, keys, dry_run, settings),
        tracker=make_tracker(engagement, settings),
        authorise=keys.authorise,
        tickets=Tickets(time.monotonic),
        queue=QueueDesk(store, time.time_ns, relay.ring),
        account=make_account_door(store, directory, keys, settings, statistics),
        reports=ReportDoor(keys, reports),
        sub_account=make_sub_account_door(store, directory, keys, settings),
    )
    return Services(
        feed=feed,
        heart=Heart(store, directory, feed, relay.ring),
        room=room,
        guard=guard,
        returns=returns,
        desk=make_desk(intake, keys, directory, settings, guard=guard, returns=returns),
        upkeep=Upkeep(store, _retention(settings), time.time_ns),
        workshop=workshop,
        relay=relay,
        doubts=Doubts(store, directory, _doubting(settings), time.time_ns),
        clockwatch=ClockWatch(store, time.time_ns, time.monotonic),
        classifier=classifier,
        rechecks=make_rechecks(store, settings),
        rooms=rooms,
        live=make_live_door(store, feed, rooms, settings),
        webhooks=Webhooks(store, directory, feed, habits_of(settings), time.time_ns),
        statistics=statistics,
    )


def _make_reports(
    store: Store, directory: DirectoryKeeper, settings: Settings
) -> ReportDesk:
    return ReportDesk(
        store,
        directory,
        time.time_ns,
        hard_bounce_s=settings.suppression.hard_bounce_expiry,
    )


def make_workshop(
    store: Store, directory: DirectoryKeeper, tokens: TokenMaker, settings: Settings
) -> Workshop:
    """Where mail is made ready."""
    return Workshop(
        store,
        Links(tokens, paths.TRACKING, takes_mail=bool(settings.smtp.mx)),
        _tracer(directory),
        time.time_ns,
        threads=settings.relay.signing_threads,
    )


def make_dry_run(
    store: Store,
    directory: DirectoryKeeper,
    intake: Intake,
    workshop: Workshop,
    settings: Settings,
    *,
    classify: Classify = class_by_name,
) -> DryRun:
    """Where it is seen what would become of a mail."""
    return DryRun(
        store,
        directory,
        intake,
        workshop,
        partial(_resolver, settings),
        dns_seconds=settings.dns.timeout,
        clock=time.time_ns,
        classify=classify,
    )


def make_classifier(store: Store, settings: Settings) -> Classifier:
    """Who knows whose servers take a recipient's mail in."""
    return Classifier(
        store,
        partial(_resolver, settings) if settings.relay.classify_by_mx else None,
        dns_seconds=settings.dns.timeout,
        clock=time.time_ns,
    )


def make_rechecks(store: Store, settings: Settings) -> Rechecks:
    """What looks again at the records of domains."""
    return Rechecks(
        store,
        partial(_resolver, settings),
        dns_seconds=settings.dns.timeout,
        clock=time.time_ns,
    )


def _resolver(settings: Settings) -> Resolver:
    return Resolver([str(one) for one in settings.dns.nameservers])


def _make_room(store: Store, folder: DataFolder, settings: Settings) -> Room:
    floor = Floor(settings.intake.min_free_disk, settings.intake.max_queued)
    return Room(store, floor, free_bytes_of(folder.root))


def _make_relay(
    store: Store,
    directory: DirectoryKeeper,
    workshop: Workshop,
    settings: Settings,
    classify: Classify,
) -> Relay:
    relay = settings.relay
    timeouts = Timeouts(
        connect_s=relay.connect_timeout,
        command_s=relay.command_timeout,
        data_s=relay.command_timeout,
        dot_s=relay.data_timeout,
    )
    manners = Manners(
        settings.ehlo_name,
        relay.idle_timeout,
        timeouts,
        plaintext_auth=relay.plaintext_auth,
        captured=settings.retention.captured,
    )
    return Relay(
        store,
        directory,
        workshop=workshop,
        make_lane=LaneMaker(store, manners, time.time_ns),
        policy=Policy(
            RetryPlan(relay.retry_plan),
            relay.permanent_5xx,
            relay.in_doubt_after,
            _patience(settings),
            relay.limit_wait,
        ),
        bounds=Bounds(relay.max_in_flight, relay.max_memory, relay.drain_timeout),
        clock=time.time_ns,
        classify=classify,
    )


def _tracer(directory: DirectoryKeeper) -> Trace:
    """The fields by which a copy is found again in other servers' logs."""

    def trace(copy: Copy) -> Headers:
        account = directory.current.sub_accounts[copy.sub_account].account
        return trace_headers(account, copy.sub_account, copy.provider, copy.uuid)

    return trace


def _patience(settings: Settings) -> Patience:
    relay = settings.relay
    return Patience(
        relay.breaker_failures,
        int(relay.breaker_pause * SECOND_NS),
        int(relay.breaker_max_pause * SECOND_NS),
    )


def _doubting(settings: Settings) -> Doubting:
    relay = settings.relay
    return Doubting(Wish(relay.in_doubt), RetryPlan(relay.retry_plan))


def _retention(settings: Settings) -> Retention:
    return Retention(
        settings.retention.events,
        settings.retention.messages,
        settings.smtp.idempotency_window,
        sum(settings.webhooks.retry_plan) if settings.webhooks.enabled else 0.0,
        engagement_seconds=settings.retention.engagement,
        bodies_seconds=settings.retention.bodies,
    )


def derived(secret: bytes, purpose: bytes) -> bytes:
    """A key of its own for each purpose, so that none weakens another."""
    return blake2b(purpose, key=secret, digest_size=32).digest()
