"""How one endpoint is doing: left alone, on trial, given up, and who is told of it."""

from appliance.core.breaker import Condition, Patience
from appliance.core.event import EventType, NewEvent, Scalar
from appliance.core.ids import EventNumber
from appliance.core.webhook import Endpoint, Manners, Response, about_webhook
from appliance.log import get
from appliance.store.webhook_tries import Pass

log = get("postroom.webhooks")

SECOND_NS = 1_000_000_000
IDLE_SECONDS = 3_600.0
MAX_HOLD_SECONDS = 3_600
# After so many failures in a row an endpoint is left alone for a while.
PATIENCE = Patience(5, 30 * SECOND_NS, 900 * SECOND_NS)


class Patient:
    """The health of an endpoint, as its answers make it; a pass keeps what changes."""

    def __init__(self, endpoint: Endpoint, manners: Manners) -> None:
        self._manners = manners
        self.adopt(endpoint)

    def adopt(self, endpoint: Endpoint) -> None:
        """Take over what is stored of it."""
        self._endpoint = endpoint
        self._health, self._disabled_ns = endpoint.health, endpoint.disabled_ns
        self._in_a_row = endpoint.in_a_row
        self._hold_ns = 0

    @property
    def given_up(self) -> bool:
        """True if it is told nothing any more."""
        return self._disabled_ns is not None

    def begin(self, after: int) -> Pass:
        """A pass in which nothing has happened yet."""
        id_ = self._endpoint.id
        return Pass(
            id_, EventNumber(after), self._health, self._in_a_row, self._disabled_ns
        )

    def rest(self, now_ns: int) -> float:
        """Seconds for which it is left alone, 0 for none."""
        if not self._endpoint.enabled:
            return IDLE_SECONDS
        if self.given_up and not self._manners.recovers:
            return IDLE_SECONDS
        until_ns = self._hold_ns
        if self._health.condition(now_ns) is Condition.DOWN:
            until_ns = max(until_ns, self._health.probe_ns or 0)
        return max(0, until_ns - now_ns) / SECOND_NS

    def is_up(self, now_ns: int) -> bool:
        """True if it takes all there is."""
        up = self._health.condition(now_ns) is Condition.UP
        return up and self._hold_ns <= now_ns

    def is_on_trial(self, now_ns: int) -> bool:
        """True if it is given one parcel to see."""
        return self._health.condition(now_ns) is Condition.ON_TRIAL

    def heal(self, result: Pass, now_ns: int) -> None:
        """It has taken something."""
        was = self._health
        self._health = was.answered()
        if was.opened_ns is not None:
            seconds = (now_ns - was.opened_ns) // SECOND_NS
            log.info("webhook.up", webhook=self._endpoint.id, down_for_s=seconds)
        self._disabled_ns, self._in_a_row = None, 0
        result.health, result.disabled_ns = self._health, None
        result.in_a_row = 0

    def fail(
        self, response: Response, began_ns: int, now_ns: int, result: Pass
    ) -> None:
        """It has not."""
        was = self._health
        now = was.failed(response.words, began_ns, now_ns, PATIENCE)
        self._health = result.health = now
        self._in_a_row += 1
        result.in_a_row = self._in_a_row
        if response.retry_after_s:
            hold_s = min(response.retry_after_s, MAX_HOLD_SECONDS)
            self._hold_ns = now_ns + hold_s * SECOND_NS
        if was.opened_ns is None and now.opened_ns is not None:
            self._alarm(result, EventType.WEBHOOK_DEGRADED, now.last_error, now_ns)
        if self._disabled_ns is None and self._is_hopeless(now_ns):
            self._disabled_ns = result.disabled_ns = now_ns
            self._alarm(result, EventType.WEBHOOK_DISABLED, now.last_error, now_ns)

    def _is_hopeless(self, now_ns: int) -> bool:
        most, opened_ns = self._manners.disable_after, self._health.opened_ns
        if most is None or opened_ns is None or self._in_a_row < most:
            return False
        return now_ns - opened_ns >= self._manners.disable_span_s * SECOND_NS

    def _alarm(self, result: Pass, type_: EventType, why: str, now_ns: int) -> None:
        one = self._endpoint
        data: dict[str, Scalar] = {"webhook": one.id, "url": one.url, "reason": why}
        result.events.append(NewEvent(type_, now_ns, about_webhook(), data))
        word = type_.label.replace("_", ".")
        log.warning(word, webhook=one.id, url=one.url, reason=why)

    def count_missed(self, missed: int, result: Pass, now_ns: int) -> None:
        """So many events were forgotten before it was told."""
        if missed > 0:
            result.missed = missed
            why = f"{missed} events were forgotten before they could be told"
            self._alarm(result, EventType.WEBHOOK_DEGRADED, why, now_ns)
