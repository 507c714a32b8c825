"""The one process: opens the store, starts the services, ends them in order.

The nesting of the nurseries is the order of the end. A stop closes the doors
first, which finish what they are answering; then the relay drains; then what
runs beside them ends; last the store writes what is left and folds its log. A
bug in a loop ends the process, and systemd starts it again. A second signal
stops at once: what was answered is on disk, the rest is found at the next start.
"""

import gc
import resource
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import trio

from appliance import log as logs
from appliance.edge.app import LONG, QUICK, make_app
from appliance.edge.assembly import Services, assemble
from appliance.edge.doors import submission_manners
from appliance.edge.http.limits import Limits
from appliance.edge.http.server import serve_http
from appliance.edge.live import LiveDoor
from appliance.edge.presence import announced, locked, tell_systemd
from appliance.edge.smtp.limits import Limits as SmtpLimits
from appliance.edge.smtp.listener import Door, Premises, serve_smtp
from appliance.flow.certificate import open_tls
from appliance.flow.setup import DataFolder, open_data
from appliance.net.tls_server import ServerTls
from appliance.settings import Settings

log = logs.get("postroom.serve")

# With Python's own 5 ms, the threads of SQLite and of signing starve behind a busy
# loop. A thread that has signed waits this long at most to go on; less brings no more.
SWITCH_INTERVAL_SECONDS = 0.0001
# The walk of a mail leaves no cycles behind, and looking for some at Python's own pace
# is a sixth of what a mail costs.
COLLECT_AFTER = (20_000, 20, 50)

Ready = Callable[["Addresses"], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """What is really bound; doors that are not open have none."""

    http: tuple[str, ...]
    submission: tuple[str, ...] = ()
    submissions: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()

    @property
    def http_url(self) -> str:
        """The HTTP door as a URL that this machine can use, "" if it is closed."""
        return f"http://{self.http[0]}" if self.http else ""

    def words(self) -> dict[str, str]:
        """As it is logged."""
        return {name: ", ".join(bound) for name, bound in asdict(self).items() if bound}

    def facts(self) -> dict[str, object]:
        """As it is written for other programs."""
        http = self.http[0] if self.http else ""
        return {
            "http": http,
            "live": f"ws://{http}{LiveDoor.path}" if http else "",
            "submission": self.submission,
            "submissions": self.submissions,
            "mx": self.mx,
        }


def serve(data: Path, settings: Settings) -> int:
    """Runs the server until a signal ends it; the exit status of the process.

    Raises:
        FolderError: the data folder cannot be used, or another server uses it.
        BindError: an address cannot be had.
        CertificateError: SMTP doors are wanted and there is no certificate.
    """
    logs.configure(settings.log.level, settings.log.format)
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*COLLECT_AFTER)
    _take_all_files()
    gc.freeze()  # modules stay; to look at them all took 60 ms of each collection
    trio.run(_until_signalled, DataFolder(data), settings)
    return 0


def _take_all_files() -> None:
    """Let this process open as many files, and so connections, as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # "unlimited" may be more than the kernel has
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
        CertificateError: SMTP doors are wanted and there is no certificate.
    """
    folder.read_secret()  # or there is nothing to lock
    operator_key = secrets.token_urlsafe(32)
    with locked(folder):
        tls = _open_tls(folder, settings)
        async with open_data(folder) as store:
            services = await assemble(store, folder, settings, operator_key)

            @contextmanager
            def ready(addresses: Addresses) -> Iterator[None]:
                with announced(folder, addresses.facts(), operator_key):
                    log.info("serve.ready", **addresses.words())
                    task_status.started(addresses)
                    yield

            await _run(services, tls, settings, closing, ready)


def _open_tls(folder: DataFolder, settings: Settings) -> ServerTls | None:
    """The certificate of the SMTP doors, None if they are all closed."""
    if not any(_smtp_binds(settings).values()):
        return None
    pair = (folder.certificate, folder.certificate_key)
    return open_tls(settings.smtp, *pair, settings.smtp_host)


def _smtp_binds(settings: Settings) -> Mapping[Door, list[str]]:
    smtp = settings.smtp
    wanted = {
        Door.SUBMISSION: smtp.submission,
        Door.SUBMISSIONS: smtp.submissions,
        Door.MX: smtp.mx,
    }
    return {door: list(map(str, binds)) for door, binds in wanted.items()}


async def _run(
    services: Services,
    tls: ServerTls | None,
    settings: Settings,
    closing: trio.Event,
    ready: Ready,
) -> None:
    """The services, one inside the other; ``ready`` surrounds the time of service."""
    async with trio.open_nursery() as beside:
        beside.start_soon(services.heart.run)
        beside.start_soon(services.upkeep.run)
        beside.start_soon(services.room.run)
        beside.start_soon(services.rechecks.run)
        beside.start_soon(services.returns.run)
        beside.start_soon(services.statistics.run)
        if settings.webhooks.enabled:
            beside.start_soon(services.webhooks.run)
        async with trio.open_nursery() as workers:
            async with trio.open_nursery() as doors:
                addresses = await _open_doors(doors, services, tls, settings, closing)
                services.workshop.public_url = (
                    settings.http.public_url
                    or addresses.http_url
                    or f"http://{settings.public_host}"
                )
                if settings.relay.enabled:
                    workers.start_soon(services.relay.run)
                    beside.start_soon(services.doubts.run)
                    beside.start_soon(services.clockwatch.run)
                    beside.start_soon(services.classifier.run)
                gc.freeze()  # what is here by now stays: never look at it again
                with ready(addresses):
                    await closing.wait()
                    tell_systemd("STOPPING=1")
            services.relay.drain()
        beside.cancel_scope.cancel()


async def _open_doors(
    doors: trio.Nursery,
    services: Services,
    tls: ServerTls | None,
    settings: Settings,
    closing: trio.Event,
) -> Addresses:
    async def http(task_status: trio.TaskStatus[list[str]]) -> None:
        await serve_http(
            make_app(services.rooms),
            [str(bind) for bind in settings.http.bind],
            limits=Limits.of(settings.http),
            live=services.live,
            closing=closing,
            quick=QUICK,
            long=LONG,
            task_status=task_status,
        )

    # Without any, mail comes in by commands alone.
    web: list[str] = await doors.start(http) if settings.http.bind else []
    if tls is None:
        return Addresses(tuple(web))
    premises = Premises(
        services.desk,
        services.guard,
        tls,
        submission_manners(settings),
        SmtpLimits.of(settings.smtp),
    )
    smtp = partial(serve_smtp, _smtp_binds(settings), premises, closing=closing)
    mail: Mapping[Door, tuple[str, ...]] = await doors.start(smtp)
    return Addresses(
        tuple(web), mail[Door.SUBMISSION], mail[Door.SUBMISSIONS], mail[Door.MX]
    )
