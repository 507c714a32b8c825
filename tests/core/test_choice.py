from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.choice import Choice, Drawn, Traits, choose, elsewhere
from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import Routing, Share

A, B, C = ProviderId(1), ProviderId(2), ProviderId(3)
NAMES = {A: "a", B: "b", C: "c"}


def pool(
    routing: Routing,
    routes: dict[str, dict[ProviderId, int]],
    *,
    overflow: bool = False,
    name: str = "main",
) -> Choice:
    """A pool with these weights."""
    shares = {
        key: [Share(provider, weight) for provider, weight in route.items()]
        for key, route in routes.items()
    }
    return Choice(PoolId(1), name, routing, overflow, None, shares)


def traits(recipient_class: str = "default", sender: str = "s.example") -> Traits:
    """A mail."""
    return Traits(lambda: recipient_class, sender)


def able(_: ProviderId) -> str:
    """Nothing stands in anybody's way."""
    return ""


def draw(one: Choice, mail: Traits | None = None) -> Drawn:
    """One draw while all is well."""
    return choose(one, None, mail or traits(), able, NAMES)


def test_percentages_are_told_with_the_draw() -> None:
    """What the operator set is what the reason names."""
    one = pool(Routing.SHARES, {"": {A: 70, B: 30}})
    drawn = [draw(one) for _ in range(10)]
    assert Counter(each.why for each in drawn) == {
        "share 70% of pool main": 7,
        "share 30% of pool main": 3,
    }
    assert {each.provider for each in drawn[:2]} == {A, B}


def test_round_robin_takes_one_after_the_other() -> None:
    """In the order in which they are named."""
    one = pool(Routing.ROUND_ROBIN, {"": {A: 1, B: 1, C: 1}})
    drawn = [draw(one) for _ in range(6)]
    assert [each.provider for each in drawn] == [A, B, C, A, B, C]
    assert drawn[0].why == "round robin in pool main"


def test_a_class_has_its_own_turns() -> None:
    """Gmail by its route, all else by the route for others."""
    one = pool(
        Routing.RECIPIENT_CLASS, {"": {A: 1}, "gmail": {B: 1, C: 1}, "others": {A: 1}}
    )
    drawn = [draw(one, traits(each)) for each in ("gmail", "yahoo", "gmail", "gmail")]
    assert [each.provider for each in drawn] == [B, A, C, B]
    assert [each.why for each in drawn[:2]] == [
        "gmail in pool main",
        "others in pool main",
    ]


def test_a_sender_domain_has_its_route() -> None:
    """Without a route for others, they go to all members in turn."""
    one = pool(Routing.SENDER_DOMAIN, {"": {A: 1, B: 1}, "s.example": {C: 1}})
    assert draw(one) == Drawn(C, "s.example in pool main")
    other = [draw(one, traits(sender="x.example")).provider for _ in range(2)]
    assert other == [A, B]


def test_the_class_is_asked_for_only_if_it_matters() -> None:
    """Nobody's MX is looked up for a pool of shares."""

    def never() -> str:
        raise AssertionError

    mail = Traits(never, "s.example")
    draw(pool(Routing.SHARES, {"": {A: 100}}), mail)
    draw(pool(Routing.SENDER_DOMAIN, {"": {A: 1}}), mail)


def test_without_overflow_it_waits_for_the_one_that_was_drawn() -> None:
    """Whatever is the matter with it: shares stay true."""
    one = pool(Routing.SHARES, {"": {A: 50, B: 50}})
    drawn = [choose(one, None, traits(), lambda _: "it is down", NAMES) for _ in "1234"]
    assert Counter(each.provider for each in drawn) == {A: 2, B: 2}


def test_with_overflow_one_that_is_down_is_passed_over() -> None:
    """The reason says for whom the other one stands in, and why."""
    one = pool(Routing.SHARES, {"": {A: 70, B: 20, C: 10}}, overflow=True)

    def obstacle(provider: ProviderId) -> str:
        return "provider a is down: 421 busy" if provider == A else ""

    drawn = [choose(one, None, traits(), obstacle, NAMES) for _ in range(30)]
    assert Counter(each.provider for each in drawn) == {B: 20, C: 10}
    assert drawn[0].why == (
        "overflow from a: provider a is down: 421 busy; share 20% of pool main"
    )


def test_it_flows_to_the_spare_pool_last() -> None:
    """Only if no member of its own can take it; by that pool's own routing."""
    one = pool(Routing.ROUND_ROBIN, {"": {A: 1}}, overflow=True)
    spare = pool(Routing.ROUND_ROBIN, {"": {B: 1, C: 1}}, name="spare")

    def obstacle(provider: ProviderId) -> str:
        return "limit 5/s at a" if provider == A else ""

    drawn = choose(one, spare, traits(), obstacle, NAMES)
    assert drawn == Drawn(
        B, "overflow from a: limit 5/s at a; round robin in pool spare"
    )
    assert elsewhere(one, spare, traits(), lambda _: "down") is None
    stays = choose(one, spare, traits(), lambda _: "down", NAMES)
    assert stays == Drawn(A, "round robin in pool main")


def test_a_member_without_a_share_is_a_spare_one() -> None:
    """It gets nothing until the others cannot."""
    one = pool(Routing.SHARES, {"": {A: 100, B: 0}}, overflow=True)
    assert {draw(one).provider for _ in range(10)} == {A}
    drawn = choose(one, None, traits(), lambda who: "x" if who == A else "", NAMES)
    assert drawn.provider == B


@given(st.lists(st.sampled_from(["", "a", "b", "ab"]), max_size=200))
def test_shares_come_true_again_after_any_outage(outages: list[str]) -> None:
    """What was passed over is not owed for ever: a round later all is as it should."""
    one = pool(Routing.SHARES, {"": {A: 70, B: 20, C: 10}}, overflow=True)
    for down in outages:

        def obstacle(who: ProviderId, down: str = down) -> str:
            return "it is down" if NAMES[who] in down else ""

        choose(one, None, traits(), obstacle, NAMES)
        assert sum(share.credit for share in one.routes[""]) == 0
    drawn = Counter(draw(one).provider for _ in range(1_000))
    for provider, true in ((A, 700), (B, 200), (C, 100)):
        assert abs(drawn[provider] - true) <= 2


@pytest.mark.parametrize("routing", list(Routing))
def test_only_routes_that_were_drawn_from_have_moved(routing: Routing) -> None:
    """Nothing is written for the others."""
    one = pool(routing, {"": {A: 1}, "gmail": {A: 1}, "s.example": {A: 1}})
    assert one.moved == set()
    draw(one, traits("gmail"))
    assert len(one.moved) == 1
