import json
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.address import Address
from appliance.core.ids import ProviderId
from appliance.core.provider import (
    AuthMethod,
    Kind,
    NewProvider,
    Provider,
    Security,
)
from appliance.core.recipient_class import RecipientClass
from appliance.core.throttle import Limit, Limits
from appliance.dialects.sendpost.errors import Fault, Problem
from appliance.dialects.sendpost.provider import ProviderWish, parse_provider

DEFAULTS = NewProvider("", max_connections=7, limits=Limits(Limit(per_hour=100)))
OLD = Provider(
    name="post",
    host="mx.example",
    port=25,
    security=Security.TLS,
    username="me",
    password="secret",
    retry_plan="5m",
    limits=Limits(
        Limit(1000, 5),
        {
            RecipientClass.GMAIL: Limit(50, 2),
            RecipientClass.YAHOO: Limit(at_once=3),
        },
    ),
    id=ProviderId(4),
    uuid=UUID(int=4),
    created_ns=7,
)
FULL = {
    "name": "post",
    "type": 3,
    "host": "mx.example",
    "port": 2525,
    "security": "tls",
    "username": "me",
    "password": "secret",
    "authMethod": "login",
    "verifyCertificate": False,
    "maxRatePerHour": 500,
    "gmailSettings": '{"name":"gmail","maxConcurrentConnections":10,"x":[1]}',
    "yahooSettings": {"maxRatePerHour": 20},
    "aolSettings": None,
    "createIpPool": False,
    "testFrom": "a@s.example",
    "testTo": "b@r.example",
    "nobodyKnowsThis": {},
}


def wish(**fields: object) -> ProviderWish:
    """What a good body asks for."""
    read = parse_provider(json.dumps(fields).encode())
    assert isinstance(read, ProviderWish), read
    return read


def problem(**fields: object) -> Problem:
    """What is wrong with a new provider that is described so."""
    body = {"name": "post", "host": "mx.example", **fields}
    read = parse_provider(json.dumps(body).encode())
    found = read if isinstance(read, Problem) else read.new(DEFAULTS)
    assert isinstance(found, Problem), found
    assert found.fault is Fault.INVALID
    return found


def test_every_field_of_the_specification_arrives() -> None:
    """Class settings come as a string or as an object; what is unknown is ignored."""
    read = wish(**FULL)
    assert read.new(DEFAULTS) == NewProvider(
        name="post",
        host="mx.example",
        port=2525,
        security=Security.TLS,
        username="me",
        password="secret",
        auth_method=AuthMethod.LOGIN,
        verify_certificate=False,
        max_connections=7,
        limits=Limits(
            Limit(500),
            {
                RecipientClass.YAHOO: Limit(20),
                RecipientClass.GMAIL: Limit(at_once=10),
            },
        ),
    )
    assert not read.with_pool
    assert (read.test_from, read.test_to) == (
        Address("a", "s.example"),
        Address("b", "r.example"),
    )


def test_what_is_left_out_is_as_the_defaults_say() -> None:
    """STARTTLS at 587, a checked certificate, no login, a pool, the house's rate."""
    read = wish(name="post", host="mx.example")
    assert read.new(DEFAULTS) == replace(DEFAULTS, name="post", host="mx.example")
    assert read.with_pool
    assert read.test_from is None
    free = wish(name="post", host="mx.example", maxRatePerHour=None).new(DEFAULTS)
    assert isinstance(free, NewProvider)
    assert not free.limits.overall


def test_the_older_spellings_mean_the_same() -> None:
    """As the vendor's own object names them."""
    older = {"endpoint": "h", "encryption": "NONE", "key": "u", "secret": "p"}
    made = wish(name="x", **older).new(DEFAULTS)
    assert isinstance(made, NewProvider)
    assert (made.host, made.security) == ("h", Security.NONE)
    assert (made.username, made.password) == ("u", "p")


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("name", {"name": None}),
        ("name", {"name": ""}),
        ("name", {"name": "x" * 101}),
        ("name", {"name": "a\r\nb"}),
        ("name", {"name": " a"}),
        ("name", {"name": "-"}),
        ("type", {"type": 0}),
        ("host", {"host": None}),
        ("host", {"host": ""}),
        ("host", {"host": "h" * 256}),
        ("port", {"port": 0}),
        ("port", {"port": 65536}),
        ("port", {"port": "25"}),
        ("port", {"port": 25.5}),
        ("security", {"security": "ssl"}),
        ("encryption", {"encryption": ""}),
        ("authMethod", {"authMethod": "cram-md5"}),
        ("verifyCertificate", {"verifyCertificate": "no"}),
        ("maxRatePerHour", {"maxRatePerHour": 0}),
        ("maxRatePerHour", {"maxRatePerHour": -1}),
        ("maxRatePerHour", {"maxRatePerHour": 10**10}),
        ("endpoint", {"endpoint": "other.example"}),
        ("password", {"username": "me"}),
        ("username", {"password": "secret"}),
        ("testFrom", {"testFrom": "no address"}),
        ("testTo", {"testTo": "a@b@c"}),
        ("gmailSettings.maxRatePerHour", {"gmailSettings": '{"maxRatePerHour":0}'}),
        (
            "gmailSettings.maxRatePerHour",
            {"gmailSettings": {"maxRatePerHour": 100_001}},
        ),
        ("gmailSettings.maxRatePerHour", {"gmailSettings": {"maxRatePerHour": "9"}}),
        (
            "yahooSettings.maxConcurrentConnections",
            {"yahooSettings": {"maxConcurrentConnections": -5}},
        ),
        ("aolSettings.name", {"aolSettings": {"name": "gmail"}}),
        ("aolSettings", {"aolSettings": "no JSON"}),
        ("aolSettings", {"aolSettings": [1]}),
    ],
)
def test_each_fault_is_named_at_its_field(
    param: str, fields: dict[str, object]
) -> None:
    """Bad input of the issue: limits of zero or below, and all else that is none."""
    found = problem(**fields)
    assert found.param == param
    assert found.message


def test_a_test_needs_no_name() -> None:
    """Nothing is made of it."""
    made = wish(host="mx.example").new(DEFAULTS, named=False)
    assert isinstance(made, NewProvider)


# --- changes ----------------------------------------------------------------------


def test_a_change_leaves_the_rest() -> None:
    """Partial: what is not named stays, also what this dialect has no words for."""
    assert wish().change(OLD) == OLD
    assert wish(name="mail", port=465).change(OLD) == replace(
        OLD, name="mail", port=465
    )
    changed = wish(maxRatePerHour=9, gmailSettings={"maxRatePerHour": 7}).change(OLD)
    assert isinstance(changed, NewProvider)
    yahoo = OLD.limits.classes[RecipientClass.YAHOO]
    assert changed.limits == Limits(
        Limit(9, 5),
        {RecipientClass.GMAIL: Limit(7, 2), RecipientClass.YAHOO: yahoo},
    )


def test_null_lifts_a_limit() -> None:
    """Of a class too; a rate per second that the operator set stays."""
    lifted = wish(maxRatePerHour=None, gmailSettings=None, yahooSettings="")
    changed = lifted.change(OLD)
    assert isinstance(changed, NewProvider)
    assert changed.limits == Limits(
        Limit(None, 5), {RecipientClass.GMAIL: Limit(None, 2)}
    )


def test_an_answer_that_is_sent_back_changes_nothing() -> None:
    """Neither form shows the password, and "" in its place does not take it away."""
    assert wish(endpoint="mx.example", key="me", secret="").change(OLD) == OLD
    assert wish(host="mx.example", username="me", password="").change(OLD) == OLD


def test_no_user_name_means_no_login() -> None:
    """The password goes with it."""
    changed = wish(username="").change(OLD)
    assert isinstance(changed, NewProvider)
    assert (changed.username, changed.password) == ("", "")


@pytest.mark.parametrize(
    "fields",
    [{"host": "evil.example"}, {"verifyCertificate": False}, {"security": "none"}],
)
def test_a_password_does_not_follow_to_a_place_that_is_less_safe(
    fields: dict[str, object],
) -> None:
    """ATTACKS 27: else a key of the account reads it by naming a server of its own."""
    found = wish(**fields).change(OLD)
    assert isinstance(found, Problem)
    assert found.param == "password"
    given = wish(**fields, password="again").change(OLD)
    assert isinstance(given, NewProvider)
    open_to_all = replace(OLD, username="", password="")
    assert isinstance(wish(**fields).change(open_to_all), NewProvider)


def test_what_keeps_mail_has_no_host() -> None:
    """Its name and limits can be changed."""
    capture = Provider(name="c", kind=Kind.CAPTURE, id=ProviderId(1), uuid=UUID(int=1))
    assert wish(name="d").change(capture) == replace(capture, name="d")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_value_of_a_setting_raises(value: object) -> None:
    """Whatever stands in a field, the answer is a value."""
    for name in (*FULL, "key", "secret", "endpoint", "encryption"):
        body = json.dumps({**FULL, name: value}).encode()
        read = parse_provider(body)
        if isinstance(read, ProviderWish):
            read.new(DEFAULTS)
            read.change(OLD)


@given(st.binary(max_size=40))
def test_no_body_raises(body: bytes) -> None:
    """ATTACKS 10: what is no JSON is a problem."""
    parse_provider(body)
    parse_provider(b'{"gmailSettings":' + body + b"}")
