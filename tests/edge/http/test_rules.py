"""Which requests are taken: what h11 lets pass and we do not."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.edge.http.limits import Limits
from appliance.edge.http.rules import Facts, RefusedError, examine
from tests.edge.http.malformed import get, post

LIMITS = Limits()


def parse(data: bytes) -> h11.Request:
    """The request as h11 reads it."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    return event


def facts(data: bytes) -> Facts:
    """What the rules make of it."""
    return examine(parse(data), LIMITS)


def test_an_ordinary_request_has_its_facts() -> None:
    """Length, upgrade and target as they came, names in lower case."""
    found = facts(get(b"Content-Length: 7", b"Upgrade: WebSocket", target=b"/a?b"))
    assert (found.length, found.upgrade, found.target) == (7, b"websocket", b"/a?b")
    assert (b"host", b"a") in found.headers


def test_a_chunked_body_has_no_length() -> None:
    """Its size is known when it has come."""
    assert facts(post(b"Transfer-Encoding: chunked")).length is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
        (post(b"Transfer-Encoding: chunked", b"Content-Length: 0"), 400),
        (post(b"Transfer-Encoding: chunked", version=b"1.0"), 400),
        (get(version=b"2.0"), 505),
        (get(target=b"http://b/"), 400),
        (get(*[b"A: b"] * 200), 431),
    ],
)
def test_what_is_dangerous_is_refused(data: bytes, status: int) -> None:
    """ATTACKS 10: two framings, other versions, other hosts, floods."""
    request = parse(data)
    with pytest.raises(RefusedError) as refused:
        examine(request, LIMITS)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://a", b"/"),
        (b"http://a/", b"/"),
        (b"HTTPS://a/x?y", b"/x?y"),
        (b"//a/x", b"//a/x"),
    ],
)
def test_an_absolute_form_of_this_host_is_its_path(target: bytes, path: bytes) -> None:
    """RFC 9112 3.2.2: proxies may send it."""
    assert facts(get(target=target)).target == path


@pytest.mark.parametrize("host", ["a", "a:80", "[::1]:80", "", "a.b-c_d.example."])
def test_hosts_are_hosts(host: str) -> None:
    """Names, addresses and ports pass; also the empty one of RFC 9112 3.2."""
    data = b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n"
    assert facts(data).target == b"/"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_request_has_facts_or_a_status(target: bytes, value: bytes) -> None:
    """What h11 takes is served or refused; nothing else can happen."""
    data = b"GET /%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, value)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return
    if isinstance(event, h11.Request):
        assert outcome(event) in {0, 400, 431, 505}


def outcome(request: h11.Request) -> int:
    """The status of a refusal, 0 without one."""
    try:
        found = examine(request, LIMITS)
    except RefusedError as refused:
        return refused.status
    return 0 if found.target.startswith(b"/") else -1
