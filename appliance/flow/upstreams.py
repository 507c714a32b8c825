"""From a provider's settings to the lane that carries its mail."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import trio

from appliance.core.provider import Kind, NewProvider, Provider
from appliance.flow.dots import Dots
from appliance.flow.lane import CaptureLane, Connect, Job, Lane, Settled, SmtpLane
from appliance.log import get
from appliance.net.smtp_connect import Failure, connect
from appliance.net.upstream import Timeouts, Upstream
from appliance.smtp.outcome import Broken, Fault, Stage
from appliance.smtp.trail import Opening
from appliance.store.captured import Captured, add_captured
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable

log = get("postroom.upstreams")

AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Manners:
    """How we treat every upstream."""

    ehlo_name: str
    idle_seconds: float
    timeouts: Timeouts
    plaintext_auth: bool = False
    captured: int = 1_000


def upstream_of(
    provider: NewProvider, ehlo_name: str, *, plaintext_auth: bool = False
) -> Upstream:
    """What a connection has to know of a provider.

    ``plaintext_auth`` lets credentials go over connections without TLS.

    Raises:
        ValueError: a setting cannot be put on the wire; the text names it.
    """
    return Upstream(
        host=provider.host,
        port=provider.port,
        security=provider.security,
        username=provider.username or None,
        password=provider.password,
        auth_method=provider.auth_method,
        verify_certificate=provider.verify_certificate,
        ehlo_name=ehlo_name,
        allow_plaintext_auth=plaintext_auth,
    )


class LaneMaker:
    """Makes the lane that suits a provider."""

    def __init__(
        self, store: Store, manners: Manners, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._manners = manners
        self._clock = clock
        self._dots = Dots(store, clock)

    def __call__(self, provider: Provider, settled: Settled) -> Lane:
        """A lane for ``provider`` that tells ``settled`` how each job ended."""
        if provider.kind is Kind.CAPTURE:
            return CaptureLane(self._keep, settled)
        return SmtpLane(
            self._connector(provider),
            settled,
            self._dots.note,
            max_connections=provider.max_connections,
            idle_seconds=self._manners.idle_seconds,
        )

    def _connector(self, provider: Provider) -> Connect:
        """How a connection is made; a setting that is none is each try's failure."""
        try:
            upstream = upstream_of(
                provider,
                self._manners.ehlo_name,
                plaintext_auth=self._manners.plaintext_auth,
            )
        except ValueError as error:
            return partial(_fail, Broken(Stage.CONNECT, Fault.UNREACHABLE, str(error)))
        timeouts = self._manners.timeouts
        return lambda opening: connect(upstream, timeouts, opening=opening)

    async def _keep(self, jobs: list[Job]) -> None:
        """Keep the mails; while the disk takes none, they wait."""
        now_ns = self._clock()
        mails = [
            Captured(
                job.copy.uuid, now_ns, job.sender, str(job.copy.recipient), job.content
            )
            for job in jobs
        ]
        while True:
            try:
                await self._store.write(
                    add_captured, mails, keep=self._manners.captured
                )
            except StoreUnavailable as error:
                log.warning("capture.store_unavailable", error=error)
                await trio.sleep(AGAIN_SECONDS)
            else:
                return


async def _fail(failure: Broken, _opening: Opening) -> Failure:
    await trio.lowlevel.checkpoint()
    return failure
