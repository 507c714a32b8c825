"""Where copies are made ready, several to a hop, in a few worker threads.

Signing is the one great cost on the walk and OpenSSL gives up the interpreter
lock for it, so threads pay. What copies share is made once and kept: contents
as templates within a bound of memory, keys as parsed signers.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from appliance.core.delivery import Copy
from appliance.core.domain import DkimKey, SenderDomain
from appliance.core.event import About
from appliance.core.ids import ContentId
from appliance.core.submission import AnyContent
from appliance.flow.lane import Job
from appliance.flow.prepare import (
    SECOND_NS,
    Circumstances,
    Form,
    Links,
    Source,
    base_url,
    form_of,
    prepare,
)
from appliance.flow.settle import OUR_FAULT
from appliance.log import get
from appliance.mime.compose import Headers
from appliance.mime.dkim import Signer
from appliance.mime.headers import MalformedMessage, UnsafeHeader
from appliance.mime.merge import MergeTooLarge
from appliance.store.contents import load_contents
from appliance.store.database import Store

CHUNK = 8  # copies to a hop: a hop costs about a tenth of a copy
CACHE_BYTES = 32 * 1024 * 1024
CACHED_SIGNERS = 1_000
CONTENT_GONE = "The content of the mail is gone"

log = get("postroom.workshop")

Trace = Callable[[Copy], Headers]


@dataclass(frozen=True, slots=True)
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


Made = Job | Unmakeable | Stumbled


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A mail as it would leave: its envelope sender, its bytes, and where links lead.

    ``links`` are pairs of the sender's link and what stands in its place.
    """

    sender: str
    content: bytes = field(repr=False)
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """An order with all that a thread needs, so that it asks nobody."""

    order: Order
    template: "_Template"
    around: Circumstances


class _Template:
    """A content that is made ready by the first thread that needs it."""

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
        return gone + await trio.to_thread.run_sync(
            self._make_all, tasks, limiter=self._threads
        )

    async def rehearse(self, order: Order, content: AnyContent) -> Rehearsed | str:
        """The mail as it would leave, made of content that is not stored; or why not.

        Where each of its links would lead is told beside it.
        """
        led: list[tuple[str, str]] = []
        task = self._task(order, _Template(content))
        made = await trio.to_thread.run_sync(
            self._make, task, self._links.recording(led), limiter=self._threads
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

    # --- in a worker thread -----------------------------------------------------

    def _make_all(self, tasks: Sequence[_Task]) -> list[Made]:
        return [self._make(task, self._links) for task in tasks]

    def _make(self, task: _Task, links: Links) -> Made:
        order, template = task.order, task.template
        try:
            source = Source(
                template.form(),
                order.domain.name,
                self._signers_of(order.domain),
            )
            sender, mail = prepare(order.copy, source, task.around, links)
        except (UnsafeHeader, MergeTooLarge, MalformedMessage) as error:
            return Unmakeable(order.copy, str(error))
        except Exception:
            # One mail that we cannot make must not end the process: it would be
            # claimed first again after every start.
            log.exception("delivery.unmakeable", delivery=order.copy.uuid)
            return Stumbled(order)
        return Job(order.copy, order.about, sender, mail)

    def _signers_of(self, domain: SenderDomain) -> list[Signer]:
        keys = domain.signing_keys
        signers = self._signers.get(keys)
        if signers is None:
            if len(self._signers) >= CACHED_SIGNERS:
                self._signers.clear()
            signers = self._signers[keys] = [Signer(key) for key in keys]
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
