"""What the calls about suppressions ask for and answer (spec 2.3, 12.1)."""

import json
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.ids import SubAccountId
from appliance.core.suppression import Source, Suppression, SuppressionReason
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.suppression import (
    MAX_ENTRIES,
    Wanted,
    parse_add,
    parse_count,
    parse_list,
    parse_remove,
)
from appliance.dialects.sendpost.suppression_answer import render_list, render_removed

DAY_NS = 86_400 * 10**9
ONE = Suppression(
    7,
    UUID(int=1),
    SubAccountId(1),
    "bob@x.example",
    SuppressionReason.HARD_BOUNCE,
    1_567_512_491_587_205_124,
    "550 5.1.1 unknown",
    Source.BOUNCE,
    UUID("0c6c7600-e68d-498e-b924-d8105130cc1d"),
)


def body(**lists: object) -> bytes:
    """A body with entries of these addresses."""
    return json.dumps(
        {name: [{"email": one} for one in ones] for name, ones in lists.items()}  # type: ignore[attr-defined]
    ).encode()


def problem(found: object) -> tuple[Fault, str]:
    """What is wrong, and where."""
    assert isinstance(found, Problem), found
    return found.fault, found.param


def test_each_list_is_a_reason() -> None:
    """An address named twice has the first; domains are taken too."""
    found = parse_add(
        body(hardBounce=["B@x.example"], spamComplaint=["b@x.example", "*@y.example"])
    )
    assert isinstance(found, list)
    assert [(one.key, why.name) for one, why in found] == [
        ("b@x.example", "HARD_BOUNCE"),
        ("@y.example", "SPAM_COMPLAINT"),
    ]


@pytest.mark.parametrize("raw", [b"{}", b'{"manual":[],"hardBounce":null}'])
def test_an_empty_list_is_406(raw: bytes) -> None:
    """Spec 1.3, in both calls."""
    assert problem(parse_add(raw)) == (Fault.UNKNOWN_ID, "")
    assert problem(parse_remove(raw)) == (Fault.UNKNOWN_ID, "")


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (body(manual=["a@x.example", "nobody"]), "manual[1].email"),
        (b'{"manual":[{"email":7}]}', "manual[0].email"),
        (b'{"manual":[{}]}', "manual[0].email"),
        (b"[]", ""),
        (b"\xff", ""),
        (b'{"manual":' + b"[" * 90_000, "manual[0]"),
        (body(manual=["a@x.example"] * (MAX_ENTRIES + 1)), "manual"),
        (body(manual=["a@x.example"] * 600, unsubscribe=["a@x.example"] * 600), ""),
    ],
)
def test_what_is_wrong_is_named(raw: bytes, where: str) -> None:
    """422 with the place, before anything is stored."""
    fault, param = problem(parse_add(raw))
    assert fault is Fault.INVALID
    assert param == where


def test_a_removal_names_addresses() -> None:
    """Whatever their reasons."""
    found = parse_remove(body(suppressions=["B@x.example"]))
    assert isinstance(found, list)
    assert [one.key for one in found] == ["b@x.example"]
    where = problem(parse_remove(body(suppressions=["x"])))
    assert where == (Fault.INVALID, "suppressions[0].email")


def query(**words: object) -> bytes:
    """A query string."""
    return urlencode({name.rstrip("_"): word for name, word in words.items()}).encode()


def test_days_are_whole_and_inclusive() -> None:
    """In UTC, from the first moment of the one to the last of the other."""
    asked = query(from_="1970-01-02", to="1970-01-03", type="hardBounce", search="bob")
    wanted = parse_list(asked, Contract.V1)
    assert isinstance(wanted, Wanted)
    assert (wanted.filter.from_ns, wanted.filter.until_ns) == (DAY_NS, 3 * DAY_NS)
    assert wanted.filter.reason is SuppressionReason.HARD_BOUNCE
    assert (wanted.filter.search, wanted.page.limit) == ("bob", 20)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (query(to="2026-01-01"), "from"),
        (query(from_="2026-01-01"), "to"),
        (query(from_="x", to="2026-01-01"), "from"),
        (query(from_="2026-01-01", to="2026-03-03"), "to"),  # 61 days
        (query(from_="2026-01-02", to="2026-01-01"), "to"),
        (query(from_="2026-01-01", to="2026-01-01", type="x"), "type"),
        (query(from_="2026-01-01", to="2026-01-01", limit=101), "limit"),
        (query(from_="2026-01-01", to="2026-01-01", offset=-1), "offset"),
    ],
)
def test_a_query_that_asks_for_no_part_is_400(asked: bytes, param: str) -> None:
    """The parameter is named."""
    assert problem(parse_list(asked, Contract.V1)) == (Fault.BAD_REQUEST, param)


def test_sixty_days_are_the_most() -> None:
    """From the first of January to the second of March."""
    asked = query(from_="2026-01-01", to="2026-03-02")
    assert isinstance(parse_list(asked, Contract.V1), Wanted)


def test_old_clients_may_leave_out_the_days() -> None:
    """Then there is no bound; a count has none for anybody."""
    wanted = parse_list(b"", Contract.LEGACY)
    assert isinstance(wanted, Wanted)
    assert (wanted.filter.from_ns, wanted.filter.until_ns) == (None, None)
    assert parse_count(b"") == wanted.filter


@given(st.text(), st.text())
def test_any_query_is_answered(first: str, last: str) -> None:
    """Days at the ends of time too fit into the store's integers."""
    for one in (first, "0001-01-01", "9999-12-31"):
        found = parse_count(query(from_=one, to=last))
        if not isinstance(found, Problem) and found.from_ns is not None:
            assert 0 <= found.from_ns < 2**63


def test_both_contracts_have_their_keys() -> None:
    """Exactly these: the Java client refuses any other (Appendix B)."""
    (new,) = json.loads(render_list([ONE], Contract.V1).body)
    assert new == {
        "id": 7,
        "email": "bob@x.example",
        "reason": 2,
        "reasonText": "hardBounce",
        "smtpError": "550 5.1.1 unknown",
        "messageUUID": "0c6c7600-e68d-498e-b924-d8105130cc1d",
        "created": 1567512491587205124,
    }
    (old,) = json.loads(render_list([ONE], Contract.LEGACY).body)
    assert old == {
        "id": 7,
        "reason": 2,
        "smtp_error": "550 5.1.1 unknown",
        "email": "bob@x.example",
        "created": 1567512491587205124,
    }


def test_an_entry_without_a_cause_names_none() -> None:
    """An empty text; a domain is shown as it is written."""
    one = replace(ONE, delivery=None, address="@x.example")
    (new,) = json.loads(render_list([one], Contract.V1).body)
    assert (new["messageUUID"], new["email"]) == ("", "*@x.example")


def test_a_removal_answers_in_its_contract() -> None:
    """An object, or one element for each; 200 where there was nothing."""
    new = json.loads(render_removed([ONE], Contract.V1).body)
    assert new == {"message": "Suppressions have been deleted successfully"}
    (old,) = json.loads(render_removed([ONE], Contract.LEGACY).body)
    assert (set(old), old["id"]) == ({"id", "message"}, 7)
    assert json.loads(render_removed([], Contract.LEGACY).body) == []
    nothing = render_removed([], Contract.V1)
    assert (nothing.status, set(json.loads(nothing.body))) == (200, {"message"})
