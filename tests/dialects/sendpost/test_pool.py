import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.ids import PoolId, ProviderId
from appliance.core.pool import ONLY, NewPool, Pool, Route, Routing
from appliance.core.provider import Provider
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.pool import (
    Known,
    changed_pool,
    new_pool,
    parse_pool,
)
from appliance.dialects.sendpost.pool_answer import pool_facts
from appliance.dialects.sendpost.pool_wire import PoolBody

GOLDEN = Path(__file__).parent / "golden"
ONE, TWO, THREE = map(ProviderId, (101, 102, 103))
KNOWN = Known(frozenset({ONE, TWO, THREE}), {"main": PoolId(1), "spare": PoolId(2)})
MEMBERS = [101, 102]
SHARES = '{"TPSP_101":"70","TPSP_102":"30"}'
CLASSES = (
    '{"0":"[\\"TPSP_101\\"]","26":"[\\"TPSP_102\\"]",'
    '"others":"[\\"TPSP_101\\",\\"TPSP_102\\"]"}'
)
DOMAINS = '{"example.com":"[\\"TPSP_101\\"]","others":"[\\"TPSP_102\\"]"}'
OLD = Pool(
    "main",
    Routing.SHARES,
    (ONE, TWO),
    (Route(ONLY, ((ONE, 70), (TWO, 30))),),
    overflow=True,
    overflow_pool=PoolId(2),
    id=PoolId(1),
    uuid=UUID(int=1),
    created_ns=1_700_000_000_000_000_000,
)


def body(**fields: object) -> PoolBody:
    """A body that is one."""
    read = parse_pool(json.dumps(fields).encode())
    assert isinstance(read, PoolBody), read
    return read


def made(**fields: object) -> NewPool:
    """The pool that a good body asks for."""
    pool = new_pool(body(**{"name": "p", "tpsps": MEMBERS, **fields}), KNOWN)
    assert isinstance(pool, NewPool), pool
    return pool


def problem(**fields: object) -> Problem:
    """What is wrong with a new pool that is described so."""
    described = {"name": "p", "tpsps": MEMBERS, **fields}
    read = parse_pool(json.dumps(described).encode())
    found = read if isinstance(read, Problem) else new_pool(read, KNOWN)
    assert isinstance(found, Problem), found
    assert found.fault is Fault.INVALID
    return found


# --- what is asked for --------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "meta", "routes"),
    [
        (0, "", ()),
        (0, "{}", ()),
        (
            1,
            CLASSES,
            (
                Route("gmail", ((ONE, 1),)),
                Route("checkpoint", ((TWO, 1),)),
                Route("others", ((ONE, 1), (TWO, 1))),
            ),
        ),
        (2, SHARES, (Route(ONLY, ((ONE, 70), (TWO, 30))),)),
        (
            3,
            DOMAINS,
            (Route("example.com", ((ONE, 1),)), Route("others", ((TWO, 1),))),
        ),
    ],
)
def test_each_strategy_is_read_and_shown_again(
    strategy: int, meta: str, routes: tuple[Route, ...]
) -> None:
    """Spec 10.2: the same string goes in and comes out."""
    pool = made(routingStrategy=strategy, routingMetaData=meta)
    assert pool.routing is Routing(strategy)
    assert pool.routes == routes
    assert pool.members == (ONE, TWO)
    shown = pool_facts(_stored(pool), Contract.V1, {}, {})
    assert shown["routingMetaData"] == (meta or "{}")


def test_values_may_be_what_the_strings_hold() -> None:
    """Numbers for percentages, arrays for lists, an object for the whole."""
    shares = made(routingStrategy=2, routingMetaData={"TPSP_101": 70, "TPSP_102": 30.0})
    assert shares.shares == ((ONE, 70), (TWO, 30))
    classes = made(routingStrategy=1, routingMetaData='{"11":["TPSP_102"]}')
    assert classes.routes == (Route("default", ((TWO, 1),)),)


def test_the_only_member_has_it_all() -> None:
    """Strategy 2 needs no percentage where there is nothing to share."""
    assert made(tpsps=[103], routingStrategy=2).shares == ((THREE, 100),)


def test_a_pool_with_its_members_alone_goes_round() -> None:
    """The defaults: strategy 0, no overflow."""
    assert made() == NewPool("p", Routing.ROUND_ROBIN, (ONE, TWO))


def test_overflow_has_two_spellings() -> None:
    """The older one is a boolean too; the pool is named, and "" is none."""
    for name in ("shouldOverflow", "overflowPool"):
        pool = made(**{name: True}, overflowPoolName="spare", warmupInterval=24)
        assert (pool.overflow, pool.overflow_pool) == (True, PoolId(2))
        assert made(**{name: True}, overflowPoolName="").overflow_pool is None
    assert made(overflowPoolName="spare", overflowStrategy=0).overflow_pool is None


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("name", {"name": None}),
        ("name", {"name": ""}),
        ("name", {"name": "x" * 101}),
        ("tpsps", {"tpsps": None}),
        ("tpsps", {"tpsps": []}),
        ("tpsps[1]", {"tpsps": [101, 9]}),
        ("tpsps[1]", {"tpsps": [101, 101]}),
        ("tpsps[0]", {"tpsps": ["101"]}),
        ("ips", {"ips": [{"publicIP": "192.0.2.1"}]}),
        ("routingStrategy", {"routingStrategy": 4}),
        ("overflowPoolName", {"overflowPoolName": "nosuch"}),
        *(
            ("routingMetaData", {"routingStrategy": strategy, "routingMetaData": meta})
            for strategy, meta in (
                (0, SHARES),
                (2, "{}"),
                (2, "no JSON"),
                (2, '["TPSP_101"]'),
                (2, '{"TPSP_101":"70","TPSP_102":"20"}'),
                (2, '{"TPSP_101":"70","TPSP_102":"31"}'),
                (2, '{"TPSP_101":"100","TPSP_102":"0"}'),
                (2, '{"TPSP_101":"101","TPSP_102":"-1"}'),
                (2, '{"TPSP_101":33.3,"TPSP_102":66.7}'),
                (2, '{"TPSP_101":"70","TPSP_103":"30"}'),
                (2, '{"TPSP_101":"70","IP_100":"30"}'),
                (2, '{"TPSP_101":true,"TPSP_102":"99"}'),
                (2, '{"101":"70","TPSP_102":"30"}'),
                (1, '{"27":"[\\"TPSP_101\\"]"}'),
                (1, '{"gmail":"[\\"TPSP_101\\"]"}'),
                (1, '{"0":"[]"}'),
                (1, '{"0":"[\\"TPSP_101\\",\\"TPSP_101\\"]"}'),
                (1, '{"0":"[\\"TPSP_103\\"]"}'),
                (1, '{"0":"TPSP_101"}'),
                (1, '{"0":"[\\"TPSP_101\\"]","00":"[\\"TPSP_101\\"]"}'),
                (3, '{"no domain":"[\\"TPSP_101\\"]"}'),
                (3, '{"a.example":"[1]"}'),
            )
        ),
    ],
)
def test_each_fault_is_named_at_its_field(
    param: str, fields: dict[str, object]
) -> None:
    """Bad input of the issue: percentages that don't add up, foreign members."""
    found = problem(**fields)
    assert found.param == param
    assert found.message


def test_the_sum_is_told() -> None:
    """Who is wrong by one sees it."""
    meta = '{"TPSP_101":"70","TPSP_102":"31"}'
    assert problem(routingStrategy=2, routingMetaData=meta).message == (
        "The shares add up to 101, not 100"
    )


# --- changes ----------------------------------------------------------------------


def change(**fields: object) -> NewPool | Problem:
    """What ``OLD`` becomes."""
    return changed_pool(OLD, body(**fields), KNOWN)


def test_a_change_leaves_the_rest() -> None:
    """All fields are optional, and given lists replace."""
    unchanged: tuple[dict[str, object], ...] = (
        {},
        {"name": "main"},
        {"ips": []},
        {"overflowPoolName": "spare"},
    )
    for fields in unchanged:
        same = change(**fields)
        assert isinstance(same, NewPool)
        assert (same.name, same.routes, same.members) == (
            "main",
            OLD.routes,
            (ONE, TWO),
        )
        assert (same.overflow, same.overflow_pool) == (True, PoolId(2))
    wider = change(tpsps=[101, 102, 103])
    assert isinstance(wider, NewPool)
    assert wider.members == (ONE, TWO, THREE)
    assert wider.routes == OLD.routes


def test_whole_objects_are_read_by_their_numbers() -> None:
    """What the legacy contract shows can be sent back."""
    shown = pool_facts(OLD, Contract.LEGACY, _providers(), {PoolId(2): "spare"})
    same = change(**shown)
    assert isinstance(same, NewPool), same
    assert same.members == OLD.members
    assert same.routes == OLD.routes


def test_another_strategy_brings_its_own_routes() -> None:
    """Those of the one before mean nothing to it."""
    plain = change(routingStrategy=0)
    assert isinstance(plain, NewPool)
    assert plain.routes == ()
    keyed = change(routingStrategy=3, routingMetaData=DOMAINS)
    assert isinstance(keyed, NewPool)
    assert [route.key for route in keyed.routes] == ["example.com", "others"]


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("routingMetaData", {"tpsps": [101]}),
        ("overflowPoolName", {"overflowPoolName": "main"}),
        ("routingMetaData", {"routingMetaData": '{"TPSP_103":"100"}'}),
    ],
)
def test_a_change_that_contradicts_itself_is_refused(
    param: str, fields: dict[str, object]
) -> None:
    """A member that still has a share cannot go; a pool is not its own spare one."""
    found = change(**fields)
    assert isinstance(found, Problem)
    assert found.param == param


# --- as it is shown -----------------------------------------------------------------


@pytest.mark.parametrize("contract", list(Contract))
def test_a_pool_is_shown_byte_for_byte(contract: Contract) -> None:
    """Spec 2.3: the legacy contract has the members, the newer one has not."""
    facts = pool_facts(OLD, contract, _providers(), {PoolId(2): "spare"})
    expected = (GOLDEN / f"pool-{contract.value}.json").read_bytes().rstrip(b"\n")
    assert render(facts).body == expected


@given(
    st.integers(0, 3),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["TPSP_101", "0", "others", "a.example", "IP_1", ""]),
                inner,
                max_size=3,
            )
        ),
    ),
)
def test_no_metadata_raises(strategy: int, meta: object) -> None:
    """Whatever is sent, as itself or in a string, the answer is a value."""
    for value in (meta, json.dumps(meta), str(meta)):
        fields = {"name": "p", "tpsps": MEMBERS, "routingMetaData": value}
        raw = json.dumps({**fields, "routingStrategy": strategy}).encode()
        read = parse_pool(raw)
        if isinstance(read, PoolBody):
            new_pool(read, KNOWN)


def _stored(pool: NewPool) -> Pool:
    return Pool(
        pool.name,
        pool.routing,
        pool.members,
        pool.routes,
        id=PoolId(9),
        uuid=UUID(int=9),
    )


def _providers() -> dict[ProviderId, Provider]:
    providers = (
        Provider(name=f"p{one}", host="mx.example", id=one, uuid=UUID(int=one))
        for one in (ONE, TWO, THREE)
    )
    return {one.id: one for one in providers}
