"""The calls about sender domains: added, shown, looked up in the DNS, removed.

They belong to a sub-account: its key sees and changes its own only.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from appliance.core.domain import SenderDomain, Stage
from appliance.core.ids import DomainId, SubAccountId
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.domain_answer import (
    NO_DOMAIN,
    domain_exists,
    parse_domain,
    render_deleted,
    render_domain,
    render_domains,
    render_made,
    too_many,
)
from appliance.dialects.sendpost.errors import Problem
from appliance.dialects.sendpost.paging import read_page
from appliance.dialects.sendpost.paths import DOMAIN_CHECK, DOMAINS
from appliance.edge.http.account import NUMBER, Ask, Call
from appliance.flow.new_domain import take_on
from appliance.flow.verification import Lookup, verify
from appliance.store.database import Store
from appliance.store.domain_checks import note_looks
from appliance.store.domains import list_domains, remove_domain
from appliance.store.transaction import Tx, View

LOOK_AGAIN_NS = 30_000_000_000  # spec 14: a look at most once in so long
MAX_DOMAINS = 1_000  # of one sub-account: each has keys, and looks at the DNS


@dataclass(frozen=True, slots=True)
class Hosts:
    """Our own, to which the records of domains point."""

    public: str
    bounce: str


class DomainCalls:
    """Each call; ``tell`` has what this process knows brought up to date."""

    def __init__(
        self,
        store: Store,
        tell: Callable[[], Awaitable[None]],
        clock: Callable[[], int],
        make_resolver: Callable[[], Lookup],
        hosts: Hosts,
        *,
        dns_seconds: float,
    ) -> None:
        self._store = store
        self._tell = tell
        self._clock = clock
        self._make_resolver = make_resolver
        self._hosts = hosts
        self._dns_seconds = dns_seconds

    def calls(self) -> dict[tuple[str, str], Call]:
        """All calls."""
        one = f"{DOMAINS}/{NUMBER}"
        return {
            ("POST", DOMAINS): self.create,
            ("GET", DOMAINS): self.list,
            ("GET", one): self.get,
            ("DELETE", one): self.delete,
            ("POST", f"{one}/{DOMAIN_CHECK}"): self.look,
        }

    async def create(self, ask: Ask) -> Answer | Problem:
        """A new domain with keys of its own; nothing of it is verified yet."""
        name = parse_domain(ask.body)
        if isinstance(name, Problem):
            return name
        known = await self._store.read(_list, ask.owner)
        if any(one.name == name for one in known):
            return domain_exists(name)
        if len(known) >= MAX_DOMAINS:
            return too_many(MAX_DOMAINS)
        hosts = self._hosts.public, self._hosts.bounce
        made = await take_on(self._store, ask.owner, name, *hosts)
        if made is None:
            return domain_exists(name)
        await self._tell()
        return render_made(made, ask.contract)

    async def list(self, ask: Ask) -> Answer | Problem:
        """Those of the sub-account, by name."""
        page = read_page(ask.query)
        if isinstance(page, Problem):
            return page
        found = await self._store.read(_list, ask.owner)
        return render_domains(page.of(found, lambda one: one.name), ask.contract)

    async def get(self, ask: Ask) -> Answer | Problem:
        """One domain, after a look at its records if there was none lately."""
        return await self.look(ask)

    async def look(self, ask: Ask) -> Answer | Problem:
        """One domain, as the DNS has it now, or had it a moment ago."""
        number = DomainId(ask.number)
        found = await self._store.read(_find, ask.owner, number)
        if found is None:
            return NO_DOMAIN
        if self._is_old(found):
            found = await self._look_at(found)
        return NO_DOMAIN if found is None else render_domain(found, ask.contract)

    async def delete(self, ask: Ask) -> Answer | Problem:
        """Away with a domain and its keys."""
        gone = await self._store.write(_remove, ask.owner, DomainId(ask.number))
        if gone is None:
            return NO_DOMAIN
        await self._tell()
        return render_deleted(gone)

    def _is_old(self, one: SenderDomain) -> bool:
        """True if a record was not looked at lately, or at a time that is to come."""
        now_ns = self._clock()
        return any(
            not 0 <= now_ns - record.checked_ns < LOOK_AGAIN_NS
            for record in one.at(Stage.ACTIVE) + one.at(Stage.NEXT)
        )

    async def _look_at(self, one: SenderDomain) -> SenderDomain | None:
        now_ns = self._clock()
        resolver = self._make_resolver()
        findings = await verify(resolver, one, now_ns, self._dns_seconds)
        looks = [(one.id, finding.look) for finding in findings]
        await self._store.write(note_looks, looks)
        await self._tell()
        return await self._store.read(_find, one.sub_account, one.id)


def _list(view: View, owner: SubAccountId) -> list[SenderDomain]:
    return [one for one in list_domains(view) if one.sub_account == owner]


def _find(view: View, owner: SubAccountId, domain: DomainId) -> SenderDomain | None:
    return next((one for one in _list(view, owner) if one.id == domain), None)


def _remove(tx: Tx, owner: SubAccountId, domain: DomainId) -> SenderDomain | None:
    found = _find(tx, owner, domain)
    if found is not None:
        remove_domain(tx, domain)
    return found
