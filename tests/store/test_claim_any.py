"""Any order of outages, limits, crashes and clocks: what holds of every claim."""

import sqlite3
from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from appliance.core.breaker import Restraint
from appliance.core.delivery import Copy, State
from appliance.core.ids import DeliveryId, ProviderId
from appliance.core.in_flight import InFlight
from appliance.core.message import Request
from appliance.core.pool import NewPool, Pool, Routing, by_shares
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Fare, Limit, Limits
from appliance.store.accounts import create_account
from appliance.store.claim import claim
from appliance.store.deliveries import counts_by_state, release, settle
from appliance.store.doubt import rescue
from appliance.store.due import Rounds
from appliance.store.limit_wait import leave_limits
from appliance.store.limits import load_limits, save_limits
from appliance.store.messages import accept
from appliance.store.migrations import migrate
from appliance.store.pools import add_pool, list_pools, update_pool
from appliance.store.providers import NewProvider, add_provider
from appliance.store.sealed import Sealer
from appliance.store.tokens import class_by_name
from appliance.store.transaction import Tx
from appliance.store.waits import load_waits
from tests.fakes.store import NOW_NS, seed_in, sent

MINUTE_NS = 60_000_000_000
MOST = 12
DOMAINS = ("x.example", "gmail.com", "small.example")
rates = st.sampled_from([None, 1, 7, 60])
limits = st.builds(
    lambda a, b, c, d: Limits(
        Limit(a),
        {RecipientClass.GMAIL: Limit(b, at_once=d)},
        {"small.example": Limit(None, c)},
    ),
    rates,
    rates,
    rates,
    rates,
)
places = st.integers(0, 2)


def _fare(copy: Copy) -> Fare:
    domain = copy.recipient.domain
    return Fare(copy.provider, class_by_name(domain), domain)


class Claims(RuleBasedStateMachine):
    """A relay with three providers, three pools that overflow or not, two tenants."""

    def __init__(self) -> None:
        super().__init__()
        db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(db)
        self.tx = Tx(db, Sealer(bytes(32)))
        self.seeded = seed_in(self.tx)
        other = create_account(self.tx, "second", "b", "hash", NOW_NS)
        assert other is not None
        self.tenants = [self.seeded.sub_account.id, other.id]
        self.providers = [self._provider(name) for name in "abc"]
        a, b, c = self.providers
        flows = replace(by_shares("both", [(a, 70), (b, 30)]), overflow=True)
        self.pools = [
            self._pool(by_shares("one", [(a, 100)])),
            self._pool(NewPool("all", Routing.ROUND_ROBIN, (a, b, c))),
        ]
        self.pools.append(self._pool(replace(flows, overflow_pool=self.pools[1].id)))
        self.now = NOW_NS
        self.down: dict[ProviderId, Restraint] = {}
        self.claimed: dict[DeliveryId, Copy] = {}
        self.rounds = Rounds()
        self.total = self.finished = 0

    def _provider(self, name: str) -> ProviderId:
        made = add_provider(self.tx, NewProvider(name, host=name))
        assert made is not None
        return made.id

    def _pool(self, new: NewPool) -> Pool:
        made = add_pool(self.tx, new)
        assert isinstance(made, Pool)
        return made

    def teardown(self) -> None:
        """Close the file."""
        self.tx.db.close()

    @rule(
        number=st.integers(1, 9),
        pool=places,
        tenant=st.integers(0, 1),
        domain=st.sampled_from(DOMAINS),
    )
    def accept(self, number: int, pool: int, tenant: int, domain: str) -> None:
        """New mail."""
        seeded = replace(self.seeded, pool=self.pools[pool])
        for _ in range(number):
            message = seeded.message(f"u@{domain}", accepted_ns=self.now)
            message = replace(message, sub_account=self.tenants[tenant])
            accept(self.tx, [Request((message,))])
        self.total += number

    @rule(room=st.integers(1, 20))
    def claim(self, room: int) -> None:
        """The relay looks for work."""
        flying = Counter((one.provider, one.sub_account) for one in self._flying())
        tokens = load_waits(self.tx, self.now)
        gmail_before = self._gmail()
        taken = claim(
            self.tx,
            self.now,
            room,
            1 << 30,
            most_each=MOST,
            in_flight=InFlight(flying, fares=Counter(map(_fare, self._flying()))),
            down=self.down,
            rounds=self.rounds,
        )
        assert len(taken) <= room
        for copy in taken:
            assert copy.id not in self.claimed
            self.claimed[copy.id] = copy
            tokens.take(copy.provider, copy.recipient.domain)
        assert all(one.tokens >= 0 for one in tokens.by_id.values())
        for one in tokens.by_id.values():
            if one.row.at_once is not None:
                provider = ProviderId(one.row.provider)
                now, before = self._gmail()[provider], gmail_before[provider]
                assert now <= max(one.row.at_once, before)
        of_provider = Counter(one.provider for one in self._flying())
        assert all(number <= MOST for number in of_provider.values())

    def _flying(self) -> list[Copy]:
        return list(self.claimed.values())

    def _gmail(self) -> Counter[ProviderId]:
        """How many to Gmail each has; a limit may be newer than some of them."""
        of_gmail = (one for one in self._flying() if one.recipient.domain == DOMAINS[1])
        return Counter(one.provider for one in of_gmail)

    @rule()
    def send(self) -> None:
        """All that is in flight is sent."""
        assert all(settle(self.tx, [sent(one) for one in self._flying()]))
        self.finished += len(self.claimed)
        self.claimed.clear()

    @rule()
    def let_go(self) -> None:
        """Nothing was handed over, and tokens come back."""
        fares = [_fare(one) for one in self._flying()]
        assert release(self.tx, list(self.claimed), self.now, fares) == len(fares)
        self.claimed.clear()

    @rule()
    def restart(self) -> None:
        """The process is another one and remembers nothing."""
        rescue(self.tx, self.now, 5)
        self.claimed.clear()
        self.rounds = Rounds()

    @rule(place=places, most=st.integers(0, 1))
    def go_down(self, place: int, most: int) -> None:
        """A provider is down, or on trial."""
        provider = self.providers[place]
        self.down[provider] = Restraint(most, f"provider {provider} is down")
        leave_limits(self.tx, self.down)

    @rule(place=places)
    def come_up(self, place: int) -> None:
        """It is up again."""
        self.down.pop(self.providers[place], None)

    @rule(place=places, new=limits)
    def limit(self, place: int, new: Limits) -> None:
        """An operator changes limits."""
        save_limits(self.tx, self.providers[place], new)

    @rule(place=places)
    def switch_overflow(self, place: int) -> None:
        """An operator changes a pool."""
        pool = next(x for x in list_pools(self.tx) if x.id == self.pools[place].id)
        flows_to = None if pool.overflow else pool.overflow_pool
        new = replace(pool, overflow=not pool.overflow, overflow_pool=flows_to)
        assert isinstance(update_pool(self.tx, pool.id, new), Pool)

    @rule(minutes=st.sampled_from([0, 1, 59, 24 * 60, -24 * 60]))
    def wait(self, minutes: int) -> None:
        """Time goes by, or the clock jumps; what is due stays due."""
        self.now = max(NOW_NS, self.now + minutes * MINUTE_NS)
        self.tx.db.execute(
            "UPDATE delivery SET due_ns = ? WHERE due_ns > ?", (self.now, self.now)
        )

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every delivery is queued, in flight or finished."""
        counts = counts_by_state(self.tx)
        assert counts[State.IN_FLIGHT] == len(self.claimed)
        assert sum(counts.values()) + self.finished == self.total

    @rule()
    def all_goes_in_the_end(self) -> None:
        """Once everybody is up and nothing is limited, nothing is left behind."""
        before = load_limits(self.tx, None)
        self.down.clear()
        for provider in self.providers:
            save_limits(self.tx, provider, Limits())
        self.let_go()
        for _ in range(200):
            self.claim(20)
            done = not self.claimed and not self.rounds.more
            self.send()
            if done:
                break
        assert self.finished == self.total
        for provider, old in before.items():
            save_limits(self.tx, provider, old)

    @invariant()
    def whoever_holds_it_is_there(self) -> None:
        """No delivery stands in a queue that nobody reads."""
        strays = self.tx.db.execute(
            "SELECT count(*) FROM delivery WHERE state = 0 AND queue > 0"
            " AND (provider IS NULL OR NOT EXISTS (SELECT 1 FROM throttle AS t"
            "  WHERE t.id = queue AND t.provider = delivery.provider))"
        ).fetchone()
        assert strays == (0,)


TestClaims = Claims.TestCase
TestClaims.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
