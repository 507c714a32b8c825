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
from appliance.dialects.limits import Limits as RequestLimits
from appliance.dialects.login import MAX_BYTES
from appliance.dialects.sendpost import paths
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.headers import trace_headers
from appliance.dialects.sendpost.login import KeyKind
from appliance.edge.app import Rooms
from appliance.edge.http.account import AccountDoor
from appliance.edge.http.messages import MessageCalls
from appliance.edge.http.pools import PoolCalls
from appliance.edge.http.providers import ProviderCalls
from appliance.edge.http.reports import ReportDoor
from appliance.edge.http.sendpost import SendDoor
from appliance.edge.http.stats import StatCalls
from appliance.edge.http.suppressions import SuppressionCalls
from appliance.edge.http.webhooks import WebhookCalls
from appliance.edge.keys import KeyRing
from appliance.edge.live import LiveDoor, Reception
from appliance.edge.live_forms import forms_of
from appliance.edge.smtp.desk import Desk, Sizes
from appliance.edge.smtp.guard import Guard, Thresholds
from appliance.edge.smtp.reading import SECOND_NS, Habits
from appliance.edge.tickets import Tickets
from appliance.edge.tracker import Tracker
from appliance.edge.visitor import Proxies
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
from appliance.flow.provider_desk import ProviderDesk
from appliance.flow.provider_words import Habits as UpstreamHabits
from appliance.flow.provider_words import defaults_of
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
from appliance.smtp.server import Manners as SessionManners
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
    dry_run = make_dry_run(
        store, directory, intake, workshop, settings, classify=classifier.of
    )
    engagement = EngagementDesk(
        store, directory, tokens, time.time_ns, keep=Keep(settings.tracking.ip)
    )
    reports = ReportDesk(
        store,
        directory,
        time.time_ns,
        hard_bounce_s=settings.suppression.hard_bounce_expiry,
    )
    places = Places(store, directory, tokens)
    returns = ReturnDesk(store, places, reports, engagement)
    rooms = Rooms(
        store=store,
        feed=feed,
        send=_make_send_door(intake, keys, dry_run, settings),
        tracker=Tracker(
            engagement, paths.read_tracking, Proxies(settings.http.trusted_proxies)
        ),
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


def _make_send_door(
    intake: Intake, keys: KeyRing, dry_run: DryRun, settings: Settings
) -> SendDoor:
    limits = RequestLimits(
        settings.http.max_body,
        settings.intake.max_attachments,
        settings.intake.max_recipients,
    )
    contract = Contract(settings.api.default_contract)
    return SendDoor(intake, keys, limits, contract, dry_run)


def make_live_door(
    store: Store, feed: Feed, rooms: Rooms, settings: Settings
) -> LiveDoor:
    """Where events are followed."""
    url = settings.http.public_url
    reception = Reception(rooms.authorise, rooms.tickets, url)
    return LiveDoor(feed, forms_of(store), reception, settings.live)


def make_account_door(
    store: Store,
    directory: DirectoryKeeper,
    keys: KeyRing,
    settings: Settings,
    statistics: Statistics,
) -> AccountDoor:
    """Where providers and pools are looked after from afar."""
    tell = directory.catch_up
    desk = ProviderDesk(store, UpstreamHabits.of(settings), time.time_ns, tell)
    providers = ProviderCalls(store, desk, defaults_of(settings))
    contract = Contract(settings.api.default_contract)
    return AccountDoor(
        keys,
        contract,
        providers.calls(),
        PoolCalls(store, tell).calls(),
        WebhookCalls(store, habits_of(settings), tell).calls(),
        StatCalls(store, statistics).calls(),
        MessageCalls(store).calls(),
    )


def make_sub_account_door(
    store: Store, directory: DirectoryKeeper, keys: KeyRing, settings: Settings
) -> AccountDoor:
    """Where a sub-account looks after what is its own."""
    tell = directory.refresh_suppressions
    suppressions = SuppressionCalls(store, tell, time.time_ns)
    contract = Contract(settings.api.default_contract)
    return AccountDoor(keys, contract, suppressions.calls(), kind=KeyKind.SUB_ACCOUNT)


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


def make_desk(
    intake: Intake,
    keys: KeyRing,
    directory: DirectoryKeeper,
    settings: Settings,
    *,
    guard: Guard,
    returns: ReturnDesk,
) -> Desk:
    """Where the SMTP doors take what they are told."""
    smtp = settings.smtp
    habits = Habits(
        host=settings.smtp_host,
        max_hops=smtp.max_hops,
        window_ns=int(smtp.idempotency_window * SECOND_NS),
        message_id_is_key=smtp.message_id_is_key,
    )
    sizes = Sizes(smtp.max_message, smtp.max_recipients, smtp.mx_max_size)
    return Desk(
        intake,
        keys,
        directory,
        guard,
        returns=returns,
        habits=habits,
        sizes=sizes,
    )


def submission_manners(settings: Settings) -> SessionManners:
    """How a session in clear is led, before it is known who logs in."""
    smtp = settings.smtp
    return SessionManners(
        host=settings.smtp_host,
        max_size=max(smtp.max_message, *MAX_BYTES),
        max_recipients=smtp.max_recipients,
        max_messages=smtp.max_messages,
        max_commands=smtp.max_commands,
        max_errors=smtp.max_errors,
        starttls=True,
        normalise_line_ends=smtp.line_ends == "normalise",
    )


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
