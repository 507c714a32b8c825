"""What the doors lead to, by the settings: joined here, opened by `serve`."""

import time

from appliance.dialects.limits import Limits as RequestLimits
from appliance.dialects.login import MAX_BYTES
from appliance.dialects.sendpost import paths
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.login import KeyKind
from appliance.edge.app import Rooms
from appliance.edge.http.account import AccountDoor
from appliance.edge.http.domains import DomainCalls, Hosts
from appliance.edge.http.messages import MessageCalls
from appliance.edge.http.pools import PoolCalls
from appliance.edge.http.providers import ProviderCalls
from appliance.edge.http.sendpost import SendDoor
from appliance.edge.http.stats import StatCalls
from appliance.edge.http.suppressions import SuppressionCalls
from appliance.edge.http.webhooks import WebhookCalls
from appliance.edge.keys import KeyRing
from appliance.edge.live import LiveDoor, Reception
from appliance.edge.live_forms import forms_of
from appliance.edge.smtp.desk import Desk, Sizes
from appliance.edge.smtp.guard import Guard
from appliance.edge.smtp.reading import SECOND_NS, Habits
from appliance.edge.tracker import Tracker
from appliance.edge.visitor import Proxies
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.dry_run import DryRun
from appliance.flow.engagement import EngagementDesk
from appliance.flow.feed import Feed
from appliance.flow.intake import Intake
from appliance.flow.provider_desk import ProviderDesk
from appliance.flow.provider_words import Habits as UpstreamHabits
from appliance.flow.provider_words import defaults_of
from appliance.flow.returns import ReturnDesk
from appliance.flow.stats import Statistics
from appliance.flow.webhook_post import habits_of
from appliance.net.dns import Resolver
from appliance.settings import Settings
from appliance.smtp.server import Manners as SessionManners
from appliance.store.database import Store


def make_send_door(
    intake: Intake, keys: KeyRing, dry_run: DryRun, settings: Settings
) -> SendDoor:
    """Where mail is handed in over HTTP."""
    limits = RequestLimits(
        settings.http.max_body,
        settings.intake.max_attachments,
        settings.intake.max_recipients,
    )
    contract = Contract(settings.api.default_contract)
    return SendDoor(intake, keys, limits, contract, dry_run)


def make_tracker(engagement: EngagementDesk, settings: Settings) -> Tracker:
    """What answers pixels, links and unsubscribes."""
    proxies = Proxies(settings.http.trusted_proxies)
    return Tracker(engagement, paths.read_tracking, proxies)


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
    domains = DomainCalls(
        store,
        directory.refresh,
        time.time_ns,
        lambda: Resolver([str(one) for one in settings.dns.nameservers]),
        Hosts(settings.public_host, settings.bounce_host),
        dns_seconds=settings.dns.timeout,
    )
    contract = Contract(settings.api.default_contract)
    calls = domains.calls(), suppressions.calls()
    return AccountDoor(keys, contract, *calls, kind=KeyKind.SUB_ACCOUNT)


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
