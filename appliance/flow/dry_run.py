"""A send that stops short of everything: what would happen, and nothing stored.

The checks are intake's, the bytes the workshop's, with ids that are thrown away.
What would be asked of the world outside is asked: whether the key that receivers
find verifies the signature. The provider is the one that the next draw would
give; the draw does not count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from appliance.core.delivery import Copy, NewDelivery, Role
from appliance.core.domain import Purpose, SenderDomain
from appliance.core.ids import ContentId, DeliveryId, MessageId, ProviderId
from appliance.core.message import NewMessage
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import Content, Submission
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.intake import Intake, judge
from appliance.flow.outlook import Outlook, Outlooks
from appliance.flow.relay import NO_RETURN_PATH
from appliance.flow.route import Origin
from appliance.flow.settle import about
from appliance.flow.verification import Lookup
from appliance.flow.workshop import Order, Rehearsed, Workshop
from appliance.mime.dkim_check import check_signature
from appliance.net.dns import Found, Trouble
from appliance.store.database import Store
from appliance.store.tokens import Classify, class_by_name

AT_A_TIME = 2  # dry runs: each may hold some large mails in memory


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a mail; ``fault`` is what receivers would object to."""

    selector: str
    record: str
    fault: str

    @property
    def valid(self) -> bool:
        """True if receivers would take it."""
        return not self.fault


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of one recipient's copy.

    ``dropped`` says why it would not be tried, and then there is no ``mail``.
    ``due_ns`` is the earliest moment and ``waits_for`` what it depends on.
    """

    recipient: str
    role: Role
    dropped: str = ""
    provider: str = ""
    draw: str = ""
    due_ns: int = 0
    waits_for: str = ""
    mail: Rehearsed | None = field(default=None, repr=False)
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What would become of one submission; ``left_out`` copies are not shown."""

    pool: str
    trials: tuple[Trial, ...]
    left_out: int = 0


class DryRun:
    """Answers what would become of a submission."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        intake: Intake,
        workshop: Workshop,
        make_resolver: Callable[[], Lookup],
        *,
        dns_seconds: float,
        clock: Callable[[], int],
        classify: Classify = class_by_name,
    ) -> None:
        self._store = store
        self._directory = directory
        self._intake = intake
        self._workshop = workshop
        self._make_resolver = make_resolver
        self._dns_seconds = dns_seconds
        self._clock = clock
        self._outlooks = Outlooks(store, classify)
        self._limit = trio.CapacityLimiter(AT_A_TIME)

    async def run(
        self, origin: Origin, submissions: Sequence[Submission]
    ) -> list[Report | Refusal]:
        """What would become of each submission, or why it would be refused.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        now_ns = self._clock()
        async with self._limit:
            outlook = await self._outlooks.look(now_ns)
            return [
                await self._report(judge(self._directory, origin, one, now_ns), outlook)
                for one in submissions
            ]

    async def _report(
        self, verdict: NewMessage | Refusal, outlook: Outlook
    ) -> Report | Refusal:
        if isinstance(verdict, Refusal):
            return verdict
        full = self._intake.no_room(verdict.submission.content.size_bytes)
        if full is not None:
            return full
        if not await self._outlooks.knows(outlook, verdict.pool):  # since it was judged
            return Refusal(Reason.POOL_EMPTY, "pool", "The pool has no provider")
        trials: list[Trial] = []
        for delivery in verdict.deliveries:
            if not outlook.has_room:
                break
            trials.append(await self._try(verdict, delivery, outlook))
            outlook.count(trials[-1].mail)
        left_out = len(verdict.deliveries) - len(trials)
        return Report(verdict.pool_name, tuple(trials), left_out)

    async def _try(
        self, message: NewMessage, delivery: NewDelivery, outlook: Outlook
    ) -> Trial:
        recipient = str(delivery.recipient.mailbox.address)
        trial = Trial(recipient, delivery.role, delivery.dropped)
        if trial.dropped:
            return trial
        domain = self._directory.current.domains_by_id[message.domain]
        host = domain.verified_host(Purpose.RETURN_PATH)
        if not host:
            return Trial(recipient, delivery.role, NO_RETURN_PATH)
        drawn = self._outlooks.draw(message, delivery, outlook)
        copy = _copy(message, delivery, drawn.provider)
        provider = outlook.names.get(copy.provider, "")
        what = about(copy, message.pool_name, provider)
        order = Order(copy, domain, host, what)
        made = await self._workshop.rehearse(order, message.submission.content)
        if isinstance(made, str):
            return Trial(recipient, delivery.role, made)
        due_ns, waits_for = outlook.earliest(copy)
        return Trial(
            recipient,
            delivery.role,
            provider=provider,
            draw=drawn.why,
            due_ns=due_ns,
            waits_for=waits_for,
            mail=made,
            signatures=await self._signatures(domain, made.content),
        )

    async def _signatures(
        self, domain: SenderDomain, content: bytes
    ) -> tuple[Signature, ...]:
        """What receivers would say of each signature, by the DNS of this moment."""
        checked = []
        for index, key in enumerate(domain.signing_keys):
            record = f"{key.selector}._domainkey.{domain.name}"
            fault = await self._fault(record, index, content)
            checked.append(Signature(key.selector, record, fault))
        return tuple(checked)

    async def _fault(self, record: str, index: int, content: bytes) -> str:
        found = Found(trouble=Trouble.NO_ANSWER)
        with trio.move_on_after(self._dns_seconds):
            found = await self._make_resolver().lookup(record, "TXT")
        if found.trouble is not None:
            return f"{record} TXT: {found.trouble.value}"
        return await trio.to_thread.run_sync(
            check_signature, content, index, found.values
        )


def _copy(message: NewMessage, delivery: NewDelivery, provider: ProviderId) -> Copy:
    """The copy as a claim would give it, with row ids that no row has."""
    submission = message.submission
    content = submission.content
    composed = isinstance(content, Content)
    return Copy(
        id=DeliveryId(0),
        uuid=delivery.uuid,
        message=MessageId(0),
        message_uuid=message.deliveries[0].uuid,
        sub_account=message.sub_account,
        domain=message.domain,
        content=ContentId(0),
        pool=message.pool,
        provider=provider,
        sender=str(content.sender.address),
        recipient=delivery.recipient.mailbox.address,
        fields=dict(delivery.recipient.fields),
        to=tuple(one.mailbox for one in submission.to) if composed else (),
        cc=tuple(one.mailbox for one in submission.cc) if composed else (),
        tracking=submission.tracking,
        dimensions=submission.dimensions,
        submitted_ns=message.accepted_ns,
        attempts=0,
        size_bytes=content.size_bytes,
    )
