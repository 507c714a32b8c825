"""Where copies are made ready, several to a hop.

The key operation is the one great cost on the walk and OpenSSL gives up the
interpreter lock for it, so it has threads. The bytes of a mail are Python's work: in a
thread they would only fight with the loop for the interpreter, so the loop does them,
but for large ones. What copies share is made once and kept: contents as templates
within a bound of memory, keys as parsed signers that have proven themselves.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import trio

from appliance.core.delivery import Copy
from appliance.core.domain import DkimKey, SenderDomain
from appliance.core.event import About
from appliance.core.ids import ContentId, DomainId
from appliance.core.submission import AnyContent
from appliance.flow.lane import Job
from appliance.flow.prepare import (
    SECOND_NS,
    Circumstances,
    Form,
    Links,
    Prepared,
    Source,
    base_url,
    form_of,
    prepare,
)
from appliance.flow.settle import OUR_FAULT
from appliance.log import get
from appliance.mime.compose import Headers
from appliance.mime.dkim import Signer
from appliance.mime.dkim_check import prove
from appliance.mime.headers import MalformedMessage, UnsafeHeader
from appliance.mime.merge import MergeTooLarge
from appliance.store.contents import load_contents
from appliance.store.database import Store
from appliance.value import value

SMALL_BYTES = 64 * 1024  # made ready on the loop, a millisecond at most
CHUNK = 8  # copies to a hop: a hop costs about a tenth of a copy
CACHE_BYTES = 32 * 1024 * 1024
CACHED_SIGNERS = 1_000
CONTENT_GONE = "The content of the mail is gone"

log = get("postroom.workshop")

T = TypeVar("T")

Trace = Callable[[Copy], Headers]


@value
class Order:
    """One copy to make, with what is known of its domain and provider."""

    copy: Copy
    domain: SenderDomain
    return_path_host: str
    about: About


@dataclass(frozen=True, slots=True)
class Unmakeable:
    """A copy that cannot be made, whoever tries, and why."""

    copy: Copy
    reason: str


@dataclass(frozen=True, slots=True)
class Stumbled:
    """A copy that a fault of ours kept from being made this time."""

    order: Order


Failed: TypeAlias = Unmakeable | Stumbled
Made: TypeAlias = Job | Failed


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A mail as it would leave: its envelope sender, its bytes, and where links lead.

    ``links`` are pairs of the sender's link and what stands in its place.
    """

    sender: str
    content: bytes = field(repr=False)
    links: tuple[tuple[str, str], ...]


@value
class _Task:
    """An order with all that a thread needs, so that it asks nobody."""

    order: Order
    template: "_Template"
    around: Circumstances


@value
class _Unsigned:
    """An order that is done but for its signatures."""

    order: Order
    prepared: Prepared

    def job(self, signatures: Sequence[bytes]) -> Job:
        """The mail as it leaves, for its lane."""
        order, mail = self.order, self.prepared
        return Job(order.copy, order.about, mail.sender, mail.mail(signatures))


Begun: TypeAlias = _Task | _Unsigned | Failed
Signed: TypeAlias = list[bytes] | Made


class _Template:
    """A content that is made ready when it is first needed."""

    def __init__(self, content: AnyContent) -> None:
        self.content = content
        self._form: Form | None = None

    def form(self) -> Form:
        form = self._form
        if form is None:
            form = self._form = form_of(self.content)
        return form


class Workshop:
    """Turns claimed copies into jobs for a lane."""

    def __init__(
        self,
        store: Store,
        links: Links,
        trace: Trace,
        clock: Callable[[], int],
        *,
        threads: int,
    ) -> None:
        self.public_url = ""  # known once the doors are open
        self._store = store
        self._links = links
        self._trace = trace
        self._clock = clock
        self._threads = trio.CapacityLimiter(threads)
        self._templates: OrderedDict[ContentId, _Template] = OrderedDict()
        self._cached_bytes = 0
        self._signers: dict[tuple[DkimKey, ...], list[Signer]] = {}
        self._signers_by_id: dict[DomainId, tuple[SenderDomain, list[Signer]]] = {}

    async def make(self, orders: Sequence[Order]) -> list[Made]:
        """A job for each order, or why there is none.

        Raises:
            StoreUnavailable: the contents cannot be read.
        """
        templates = await self._templates_for(orders)
        tasks = [
            self._task(order, templates[order.copy.content])
            for order in orders
            if order.copy.content in templates
        ]
        gone: list[Made] = [
            Unmakeable(order.copy, CONTENT_GONE)
            for order in orders
            if order.copy.content not in templates
        ]
        begun = [await self._begin(task) for task in tasks]
        signed = await trio.to_thread.run_sync(
            self._sign_all, begun, limiter=self._threads
        )
        return gone + [_made(*pair) for pair in zip(begun, signed, strict=True)]

    async def _begin(self, task: _Task) -> Begun:
        """The mail without its signatures; a large one is left to the thread."""
        await trio.lowlevel.checkpoint()
        if _may_become(task.order.copy) > SMALL_BYTES:
            return task
        return self._prepare(task, self._links)

    async def rehearse(self, order: Order, content: AnyContent) -> Rehearsed | str:
        """The mail as it would leave, made of content that is not stored; or why not.

        Where each of its links would lead is told beside it.
        """
        led: list[tuple[str, str]] = []
        task = self._task(order, _Template(content))
        made = await trio.to_thread.run_sync(
            self._finish, task, self._links.recording(led), limiter=self._threads
        )
        match made:
            case Job(_, _, sender, mail):
                return Rehearsed(sender, mail, tuple(led))
            case Unmakeable(_, reason):
                return reason
            case Stumbled():
                return OUR_FAULT

    def _task(self, order: Order, template: _Template) -> _Task:
        around = Circumstances(
            base_url(order.domain, self.public_url),
            order.return_path_host,
            self._trace(order.copy),
            self._clock() // SECOND_NS,
        )
        return _Task(order, template, around)

    def _prepare(self, task: _Task, links: Links) -> _Unsigned | Failed:
        order, template = task.order, task.template

        def made() -> _Unsigned:
            signers = self._signers_of(order.domain)
            source = Source(template.form(), order.domain.name, signers)
            return _Unsigned(order, prepare(order.copy, source, task.around, links))

        return _guarded(order, made)

    # --- in a worker thread -----------------------------------------------------

    def _sign_all(self, begun: Sequence[Begun]) -> list[Signed]:
        """The key operations of small mails, and all that large ones lack.

        While it does anything else but a key operation, the loop stands still.
        """
        return [
            _guarded(one.order, one.prepared.sign)
            if isinstance(one, _Unsigned)
            else self._finish(one, self._links)
            for one in begun
        ]

    def _finish(self, begun: _Task | Failed, links: Links) -> Made:
        """All that is left to do."""
        made = self._prepare(begun, links) if isinstance(begun, _Task) else begun
        if not isinstance(made, _Unsigned):
            return made
        return _guarded(made.order, lambda: made.job(made.prepared.sign()))

    def _signers_of(self, domain: SenderDomain) -> list[Signer]:
        """Its keys are looked through anew only where the domain was read anew."""
        known, signers = self._signers_by_id.get(domain.id, (None, []))
        if known is not domain:
            signers = self._signers_with(domain.signing_keys)
            if len(self._signers_by_id) >= CACHED_SIGNERS:
                self._signers_by_id.clear()
            self._signers_by_id[domain.id] = (domain, signers)
        return signers

    def _signers_with(self, keys: tuple[DkimKey, ...]) -> list[Signer]:
        signers = self._signers.get(keys)
        if signers is None:
            if len(self._signers) >= CACHED_SIGNERS:
                self._signers.clear()
            signers = self._signers[keys] = [prove(Signer(key)) for key in keys]
        return signers

    # --- contents ---------------------------------------------------------------

    def remember(self, contents: Mapping[ContentId, AnyContent]) -> None:
        """Keep contents that will be asked for, as far as the bound allows."""
        for content_id, content in contents.items():
            self._remember(content_id, content)

    async def _templates_for(
        self, orders: Sequence[Order]
    ) -> dict[ContentId, _Template]:
        wanted = {order.copy.content for order in orders}
        found = {one: self._templates[one] for one in wanted if one in self._templates}
        missing = list(wanted - found.keys())
        if missing:
            loaded = await self._store.read(load_contents, missing)
            for content_id, content in loaded.items():
                found[content_id] = self._remember(content_id, content)
        return found

    def _remember(self, content_id: ContentId, content: AnyContent) -> _Template:
        template = self._templates.get(content_id)
        if template is None:
            template = self._templates[content_id] = _Template(content)
            self._cached_bytes += content.size_bytes
        while self._cached_bytes > CACHE_BYTES and self._templates:
            _, oldest = self._templates.popitem(last=False)
            self._cached_bytes -= oldest.content.size_bytes
        return template


def _made(begun: Begun, signed: Signed) -> Made:
    """What became of an order, its signatures in their place."""
    if not isinstance(signed, list):
        return signed
    assert isinstance(begun, _Unsigned), "nothing else is signed alone"
    return _guarded(begun.order, lambda: begun.job(signed))


def _may_become(copy: Copy) -> int:
    """How large a mail becomes at most, in bytes: a value may stand there often."""
    longest = max(map(len, copy.fields.values()), default=0)
    return copy.size_bytes * max(1, longest // len("{{x}}"))


def _guarded(order: Order, make: Callable[[], T]) -> T | Failed:
    """What ``make`` gives, or what became of the order instead."""
    try:
        return make()
    except (UnsafeHeader, MergeTooLarge, MalformedMessage) as error:
        return Unmakeable(order.copy, str(error))
    except Exception:
        # One mail that we cannot make must not end the process: it would be
        # claimed first again after every start.
        log.exception("delivery.unmakeable", delivery=order.copy.uuid)
        return Stumbled(order)
