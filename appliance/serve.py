"""The one process: opens the store, starts the services, ends them in order.

The nesting of the nurseries is the order of the end. A stop closes the doors
first, which finish what they are answering; then the relay drains; then what
runs beside them ends; last the store writes what is left and folds its log. A
bug in a loop ends the process, and systemd starts it again. A second signal
stops at once: what was answered is on disk, the rest is found at the next start.
"""

import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import trio

from appliance import log as logs
from appliance.core.delivery import Copy
from appliance.core.retry import RetryPlan
from appliance.core.token import TokenMaker
from appliance.dialects.limits import Limits as RequestLimits
from appliance.dialects.sendpost import paths
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.headers import trace_headers
from appliance.edge.app import Rooms, make_app
from appliance.edge.http.keys import KeyRing
from appliance.edge.http.limits import Limits
from appliance.edge.http.sendpost import SendDoor
from appliance.edge.http.server import serve_http
from appliance.edge.live import LiveDoor
from appliance.edge.presence import announced, locked, tell_systemd
from appliance.edge.tracker import Tracker
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.engagement import EngagementDesk
from appliance.flow.facts import render_event
from appliance.flow.feed import Feed
from appliance.flow.heart import Heart
from appliance.flow.intake import Intake
from appliance.flow.prepare import Links
from appliance.flow.relay import Bounds, Relay
from appliance.flow.settle import Policy
from appliance.flow.setup import DataFolder, open_data
from appliance.flow.upkeep import Retention, Upkeep
from appliance.flow.upstreams import LaneMaker, Manners
from appliance.flow.workshop import Trace, Workshop
from appliance.mime.compose import Headers
from appliance.net.upstream import Timeouts
from appliance.settings import Settings
from appliance.store.database import Store
from appliance.store.events import last_number

log = logs.get("postroom.serve")

# With Python's own 5 ms, the threads of SQLite and of signing starve behind a busy
# loop; much less costs more in hand-overs than it brings.
SWITCH_INTERVAL_SECONDS = 0.0005

Ready = Callable[["Addresses"], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """What is really bound; doors that are not open have none."""

    http: tuple[str, ...]

    @property
    def http_url(self) -> str:
        """The HTTP door as a URL that this machine can use, "" if it is closed."""
        return f"http://{self.http[0]}" if self.http else ""

    def facts(self) -> dict[str, object]:
        """As it is written for other programs."""
        http = self.http[0] if self.http else ""
        return {
            "http": http,
            "live": f"ws://{http}{LiveDoor.path}" if http else "",
            "submission": [],
            "submissions": [],
            "mx": [],
        }


@dataclass(frozen=True, slots=True)
class _Services:
    """What runs beside the doors, and what the doors lead to."""

    feed: Feed
    heart: Heart
    upkeep: Upkeep
    workshop: Workshop
    relay: Relay
    rooms: Rooms
    live: LiveDoor


def serve(data: Path, settings: Settings) -> int:
    """Runs the server until a signal ends it; the exit status of the process.

    Raises:
        FolderError: the data folder cannot be used, or another server uses it.
        BindError: an address cannot be had.
    """
    logs.configure(settings.log.level, settings.log.format)
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    trio.run(_until_signalled, DataFolder(data), settings)
    return 0


async def _until_signalled(folder: DataFolder, settings: Settings) -> None:
    closing = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_listen_to_signals, closing, nursery.cancel_scope)
        await run_server(folder, settings, closing)
        nursery.cancel_scope.cancel()


async def _listen_to_signals(
    closing: trio.Event,
    everything: trio.CancelScope,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """The first signal closes, the second stops at once."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            log.info("serve.signal", number=number, again=closing.is_set())
            if closing.is_set():
                everything.cancel()
                return
            closing.set()


async def run_server(
    folder: DataFolder,
    settings: Settings,
    closing: trio.Event,
    task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until ``closing`` is set and everything has ended in order.

    Raises:
        FolderError: the data folder cannot be used, or another server uses it.
        BindError: an address cannot be had.
    """
    folder.read_secret()  # or there is nothing to lock
    operator_key = secrets.token_urlsafe(32)
    with locked(folder):
        async with open_data(folder) as store:
            services = await _assemble(store, folder, settings, operator_key)

            @contextmanager
            def ready(addresses: Addresses) -> Iterator[None]:
                with announced(folder, addresses.facts(), operator_key):
                    log.info("serve.ready", http=", ".join(addresses.http))
                    task_status.started(addresses)
                    yield

            await _run(services, settings, closing, ready)


async def _run(
    services: _Services, settings: Settings, closing: trio.Event, ready: Ready
) -> None:
    """The services, one inside the other; ``ready`` surrounds the time of service."""
    async with trio.open_nursery() as beside:
        beside.start_soon(services.heart.run)
        beside.start_soon(services.upkeep.run)
        async with trio.open_nursery() as workers:
            async with trio.open_nursery() as doors:
                addresses = await _open_doors(doors, services, settings, closing)
                services.workshop.public_url = (
                    settings.http.public_url
                    or addresses.http_url
                    or f"http://{settings.public_host}"
                )
                workers.start_soon(services.relay.run)
                with ready(addresses):
                    await closing.wait()
                    tell_systemd("STOPPING=1")
            services.relay.drain()
        beside.cancel_scope.cancel()


async def _open_doors(
    doors: trio.Nursery, services: _Services, settings: Settings, closing: trio.Event
) -> Addresses:
    async def http(task_status: trio.TaskStatus[list[str]]) -> None:
        await serve_http(
            make_app(services.rooms),
            [str(bind) for bind in settings.http.bind],
            limits=Limits.of(settings.http),
            live=services.live,
            closing=closing,
            task_status=task_status,
        )

    if not settings.http.bind:
        return Addresses(())  # mail comes in by commands alone
    bound: list[str] = await doors.start(http)
    return Addresses(tuple(bound))


# --- what the process is made of ------------------------------------------------


async def _assemble(
    store: Store, folder: DataFolder, settings: Settings, operator_key: str
) -> _Services:
    directory = await DirectoryKeeper.load(store)
    feed = Feed(store, await store.read(last_number))
    store.on_commit(feed.publish)
    tokens = TokenMaker(_derived(folder.read_secret(), b"tracking tokens"))
    workshop = Workshop(
        store,
        Links(tokens, paths.TRACKING),
        _tracer(directory),
        time.time_ns,
        threads=settings.relay.signing_threads,
    )
    relay = _make_relay(store, directory, workshop, settings)
    intake = Intake(store, directory, time.time_ns)
    intake.on_accepted(relay.expect)
    keys = KeyRing(directory, operator_key)
    limits = RequestLimits(
        settings.http.max_body,
        settings.intake.max_attachments,
        settings.intake.max_recipients,
    )
    rooms = Rooms(
        store=store,
        feed=feed,
        send=SendDoor(intake, keys, limits, Contract(settings.api.default_contract)),
        tracker=Tracker(
            EngagementDesk(store, directory, tokens, time.time_ns), paths.read_tracking
        ),
        authorise=keys.authorise,
    )
    return _Services(
        feed=feed,
        heart=Heart(store, directory, feed, relay.ring),
        upkeep=Upkeep(store, _retention(settings), time.time_ns),
        workshop=workshop,
        relay=relay,
        rooms=rooms,
        live=LiveDoor(feed, keys.authorise, render_event, settings.live),
    )


def _make_relay(
    store: Store, directory: DirectoryKeeper, workshop: Workshop, settings: Settings
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
        policy=Policy(RetryPlan(relay.retry_plan), relay.permanent_5xx),
        bounds=Bounds(relay.max_in_flight, relay.max_memory, relay.drain_timeout),
        clock=time.time_ns,
    )


def _tracer(directory: DirectoryKeeper) -> Trace:
    """The fields by which a copy is found again in other servers' logs."""

    def trace(copy: Copy) -> Headers:
        account = directory.current.sub_accounts[copy.sub_account].account
        return trace_headers(account, copy.sub_account, copy.provider, copy.uuid)

    return trace


def _retention(settings: Settings) -> Retention:
    return Retention(settings.retention.events, settings.retention.messages)


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """A key of its own for each purpose, so that none weakens another."""
    return blake2b(purpose, key=secret, digest_size=32).digest()
