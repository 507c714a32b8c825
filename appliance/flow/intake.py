"""May this be sent? The checks of ``flow/route.py``, then one durable write."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from appliance import failpoint
from appliance.core.delivery import NewDelivery, Role
from appliance.core.ids import ContentId, uuid7
from appliance.core.message import NewMessage, Request
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import (
    AnyContent,
    Idempotency,
    Recipient,
    Submission,
)
from appliance.core.suppression import Mail, Stop, suppressed_text
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.route import (
    FindRoute,
    Origin,
    Question,
    Routes,
    find_route,
    unknown_pool,
)
from appliance.store import messages
from appliance.store.database import Store
from appliance.store.idempotency import Earlier
from appliance.store.messages import Answer, PoolGone, Stored
from appliance.value import value

KEY_REUSED = Refusal(
    Reason.IDEMPOTENCY_MISMATCH,
    "idempotency key",
    "It was used for another message",
)


@value
class Accepted:
    """A submission that is on disk.

    ``deliveries`` are those of its recipients, each address once, in order.
    ``refusal`` tells of a first recipient not even tried.
    """

    deliveries: tuple[UUID, ...]
    accepted_ns: int
    refusal: Refusal | None = None

    @property
    def message(self) -> UUID:
        """The message's id, which is that of its first delivery."""
        return self.deliveries[0]


# Why a copy is not even tried, for people and for programs; neither if it is.
_Fate: TypeAlias = tuple[str, Stop | None]
_SENT: _Fate = ("", None)
Listener = Callable[[Mapping[ContentId, AnyContent]], None]


def _endless(_: int) -> Refusal | None:
    return None


class Intake:
    """Takes submissions in: checks them and returns once they are on disk."""

    def __init__(
        self,
        store: Store,
        directory: DirectoryKeeper,
        clock: Callable[[], int],
        no_room: Callable[[int], Refusal | None] = _endless,
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self.no_room = no_room  # why mail of a size cannot be taken now
        self._listeners: list[Listener] = []
        self._routes = Routes()

    def on_accepted(self, listener: Listener) -> None:
        """Have ``listener`` told of the contents of new mail after its commit."""
        self._listeners.append(listener)

    def now_ns(self) -> int:
        """The moment that a refusal given now belongs to."""
        return self._clock()

    def refuse(self, question: Question) -> Refusal | None:
        """The first refusal that everything sent this way would earn, if any."""
        found = self._routes.find(self._directory.current, question)
        return found if isinstance(found, Refusal) else None

    async def take(
        self,
        origin: Origin,
        submissions: Sequence[Submission],
        idempotency: Idempotency | None = None,
    ) -> list[Accepted | Refusal]:
        """The verdict on each submission; those accepted are on disk by then.

        Under a key that was used before nothing is stored: the verdicts are those
        of that time, or a refusal if other mail came with it.

        Raises:
            StoreUnavailable: nothing was stored; the sender should try again.
        """
        now_ns = self._clock()
        verdicts = [
            judge(self._directory, origin, one, now_ns, self._routes.find)
            for one in submissions
        ]
        fresh = [one for one in verdicts if isinstance(one, NewMessage)]
        if not fresh:
            return [one for one in verdicts if isinstance(one, Refusal)]
        full = self.no_room(fresh[0].submission.content.size_bytes)
        if full is not None:
            return [full] * len(submissions)
        answer = await self._keep(Request(fresh, idempotency))
        if isinstance(answer, PoolGone):
            await self._directory.refresh()
            return [_pool_is_gone(one) for one in submissions]
        if isinstance(answer, Earlier):
            return _repeated(verdicts, answer)
        return [
            _accepted(one) if isinstance(one, NewMessage) else one for one in verdicts
        ]

    async def _keep(self, request: Request) -> Answer:
        """What the store says; listeners know of new contents by then."""
        fresh = request.messages
        size_bytes = fresh[0].submission.content.size_bytes  # they share it
        answer = await self._store.write_each(messages.accept, request, size_bytes)
        failpoint.reach("intake.after_commit")
        if isinstance(answer, Stored):
            contents = {
                content_id: message.submission.content
                for content_id, message in zip(answer.contents, fresh, strict=True)
            }
            for listener in self._listeners:
                listener(contents)
        return answer


def judge(
    keeper: DirectoryKeeper,
    origin: Origin,
    submission: Submission,
    now_ns: int,
    find: FindRoute = find_route,
) -> NewMessage | Refusal:
    """The message that this submission becomes, or why it does not."""
    sender = submission.content.sender.address
    route = find(keeper.current, Question(origin, sender, submission.pool))
    if isinstance(route, Refusal):
        return route
    return NewMessage(
        submission=submission,
        sub_account=origin.sub_account,
        credential=origin.credential.id if origin.credential else None,
        domain=route.domain.id,
        pool=route.pool.id,
        pool_name=route.pool.name,
        accepted_ns=now_ns,
        deliveries=_deliveries(keeper, origin, submission, now_ns),
    )


def _deliveries(
    keeper: DirectoryKeeper, origin: Origin, submission: Submission, now_ns: int
) -> tuple[NewDelivery, ...]:
    """One delivery per envelope recipient, each address once.

    Where every ``to`` recipient is suppressed, copies are stopped too: the sender
    is told that this message is not sent. A suppressed copy stops only itself.
    """
    made: dict[str, NewDelivery] = {}
    mail = Mail(submission.dimensions.topic, submission.content.sender.address.domain)

    def fate_of(one: Recipient) -> _Fate:
        address = one.mailbox.address
        why = keeper.suppression(origin.sub_account, address, now_ns, mail)
        return _SENT if why is None else (suppressed_text(address, why), why)

    for one in submission.to:
        uuid = None if made else submission.uuid
        new = _new(Role.TO, one, fate_of(one), uuid)
        made.setdefault(one.mailbox.address.key, new)
    first = next(iter(made.values()))
    stopped = all(one.dropped for one in made.values())
    for role, recipients in ((Role.CC, submission.cc), (Role.BCC, submission.bcc)):
        for one in recipients:
            fate = (first.dropped, first.stop) if stopped else fate_of(one)
            made.setdefault(one.mailbox.address.key, _new(role, one, fate))
    return tuple(made.values())


def _new(
    role: Role, recipient: Recipient, fate: _Fate, uuid: UUID | None = None
) -> NewDelivery:
    return NewDelivery(uuid or uuid7(), role, recipient, *fate)


def _pool_is_gone(submission: Submission) -> Refusal:
    return unknown_pool(submission.pool)


def _accepted(message: NewMessage) -> Accepted:
    first = message.deliveries[0]
    refusal = None
    if first.dropped:
        refusal = Refusal(Reason.RECIPIENT_SUPPRESSED, "to", first.dropped)
    ids = tuple(delivery.uuid for delivery in message.deliveries)
    return Accepted(ids, message.accepted_ns, refusal)


def _repeated(
    verdicts: Sequence[NewMessage | Refusal], earlier: Earlier
) -> list[Accepted | Refusal]:
    """The verdicts of the time when the key was used first."""
    if not earlier.same:
        return [KEY_REUSED] * len(verdicts)
    before = deque(earlier.deliveries)
    return [
        Accepted(before.popleft(), earlier.accepted_ns)
        if isinstance(one, NewMessage) and before
        else _refused_before(one)
        for one in verdicts
    ]


def _refused_before(verdict: NewMessage | Refusal) -> Refusal:
    return verdict if isinstance(verdict, Refusal) else KEY_REUSED
