"""A whole house for what comes back: Postroom, the Postfix pair, and the log agent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.greylist import Greylist
from tests.fakes.log_agent import LogAgent
from tests.fakes.postfix import PostfixServer
from tests.fakes.postroom import Postroom
from tests.fakes.programs import free_port, wait_until
from tests.integration.conftest import postfix_servers
from tests.integration.house import (
    DOMAIN,
    POOL,
    SOON,
    accepted,
    api,
    events,
    mail,
    wait_for_event,
)
from tests.integration.world import (
    GREY_S,
    RETURN_HOST,
    People,
    log_file,
    log_lines,
    people,
    start_upstream,
    start_world,
    to_door,
    witnessed,
)

DELIVERED, HARD_BOUNCED, SOFT_BOUNCED = 60, 63, 64
ENDS = (DELIVERED, SOFT_BOUNCED, HARD_BOUNCED)
EVENTS = "/api/v1/tpsp/custom-smtp/events"
WITNESSES = people("witness", 20)
# What a server that begins anew did not take is tried again soon.
PROMPT = {**SOON, "relay.retry_plan": "1s,1s,2s,4s,8s", "relay.in_doubt_after": "15s"}
_AT_ONCE = 100  # recipients of one request


@dataclass(slots=True)
class House:
    """All of it; ``ids`` are the deliveries by the address they went to."""

    postroom: Postroom
    upstream: PostfixServer
    world: PostfixServer
    greylist: Greylist
    agent: LogAgent
    ids: dict[str, str] = field(default_factory=dict)
    _facts: list[Any] = field(default_factory=list)
    _witnesses: Iterator[str] = field(default_factory=lambda: iter(WITNESSES.addresses))

    def send(self, addresses: Sequence[str]) -> None:
        """Post a mail to each."""
        with api(self.postroom) as client:
            for start in range(0, len(addresses), _AT_ONCE):
                some = addresses[start : start + _AT_ONCE]
                body = mail([{"email": one} for one in some])
                self.ids.update(zip(some, accepted(client, body), strict=True))

    def ends(self, addresses: Iterable[str]) -> dict[str, list[Any]]:
        """The events that tell an end of each address's mail, in their order."""
        after = self._facts[-1]["number"] if self._facts else 0
        self._facts += events(self.postroom, after)
        found: dict[str, list[Any]] = {self.ids[one]: [] for one in addresses}
        for fact in self._facts:
            if fact["type"] in ENDS and fact["delivery"] in found:
                found[fact["delivery"]].append(fact)
        return {one: found[self.ids[one]] for one in addresses}

    def wait_for_ends(
        self, addresses: Sequence[str], seconds: float, number: int | None = None
    ) -> None:
        """Return once so many of these mails have an end; None for all.

        Raises:
            TimeoutError: they were not.
        """
        wanted = len(addresses) if number is None else number

        def there() -> bool:
            return sum(map(bool, self.ends(addresses).values())) >= wanted

        try:
            wait_until(there, seconds, f"{wanted} ends", pause=0.3)
        except TimeoutError as error:
            ends, seen = self.ends(addresses), witnessed(self.upstream)
            without = [one for one in addresses if not ends[one]]
            words = f"{error}; {len(without)} have none: "
            words += str({one: seen.get(self.ids[one]) for one in without[:20]})
            words += f"\n{self.agent.log()[-2000:]}{self.upstream.log()}"
            raise TimeoutError(words) from None

    def settle(self) -> None:
        """Return once the agent has told all that was logged until now.

        It tells things in the order of the log, so one more mail is the proof.
        """
        with api(self.postroom) as client:
            (last,) = accepted(client, mail(next(self._witnesses)))
        wait_for_event(self.postroom, DELIVERED, last, 30)

    def reports_taken(self) -> int:
        """How many reports of the upstream our port 25 took."""
        return sum(
            "to=<bounces+" in line and "status=sent" in line
            for line in log_lines(self.upstream)
        )

    def hold_reports(self) -> None:
        """Have the servers keep their reports, from their next `refresh` on."""
        self._route_reports(f"{RETURN_HOST} retry:4.3.0 not yet\n")

    def let_reports_go(self) -> None:
        """Have them hand on what they have and get, from their next `refresh` on."""
        self._route_reports(to_door(self.mx_port))

    def refresh(self) -> None:
        """Have them read their tables, and try what waits."""
        for one in (self.upstream, self.world):
            one.reload()
            one.flush()

    def _route_reports(self, line: str) -> None:
        for one in (self.upstream, self.world):
            one.write_table("transport", line)

    @property
    def mx_port(self) -> int:
        """Our port 25."""
        (address,) = self.postroom.addresses()["mx"]
        return int(address.rpartition(":")[2])


@contextmanager
def house(
    postroom: Postroom, town: Sequence[People], **settings: str
) -> Iterator[House]:
    """Serving, with an agent that is not started yet."""
    mx_port = free_port()
    with Greylist(GREY_S) as greylist, postfix_servers() as start:
        world = start_world(start, [*town, WITNESSES], greylist, mx_port)
        upstream = start_upstream(start, world, mx_port)
        key = _furnish(postroom, upstream)
        postroom.start({"smtp.mx": f"127.0.0.1:{mx_port}"})
        lines = {"log-path": str(log_file(upstream)), **settings}
        agent = LogAgent(key, f"{postroom.http}{EVENTS}", lines)
        try:
            yield House(postroom, upstream, world, greylist, agent)
        finally:
            agent.close()


def _furnish(postroom: Postroom, upstream: PostfixServer) -> str:
    """The pool with that upstream; the key of its agent."""
    where = ("--host", "127.0.0.1", "--port", str(upstream.port), "--security", "none")
    added = postroom.ask("provider", "add", "postfix", *where, "--no-test")
    postroom.run("pool", "add", POOL, "postfix=100")
    postroom.run("domain", "add", DOMAIN)
    postroom.run("domain", "trust", DOMAIN)
    return str(added["eventKey"])


def suppressed(one: House) -> dict[str, str]:
    """Who is suppressed, and why."""
    listed = one.postroom.run("suppression", "list", "--limit", "1000", "--json")
    return {entry["address"]: entry["reason"] for entry in listed.json_lines()}


def types_of(ends: Mapping[str, Iterable[Any]]) -> dict[str, list[int]]:
    """What `House.ends` found, with nothing but the types."""
    return {name: [one["type"] for one in found] for name, found in ends.items()}


def by_kind(
    town: Iterable[People], types: Mapping[str, Sequence[int]]
) -> dict[str, Counter[tuple[int, ...]]]:
    """For each kind of people how often their mail came to which ends."""
    return {
        one.kind: Counter(tuple(types[address]) for address in one.addresses)
        for one in town
    }


def everyone(town: Iterable[People]) -> list[str]:
    """All addresses, the kinds evenly mixed."""
    mixed = [
        (number / len(one.addresses), address)
        for one in town
        for number, address in enumerate(one.addresses)
    ]
    return [address for _, address in sorted(mixed)]
