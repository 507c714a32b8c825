import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.client import (
    PIECE_BYTES,
    Answered,
    Marker,
    Mechanism,
    SmtpClient,
)
from appliance.smtp.client_moves import ANSWERS, MOVES, State, Verb
from appliance.smtp.errors import LocalProtocolError, RemoteProtocolError
from appliance.smtp.grammar import Capabilities, wire_content

EHLO = b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 9000\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN\r\n"  # noqa: E501 - one reply
HELLO = wire_content(b"Subject: a\r\n\r\nb\r\n")


def said(client: SmtpClient) -> bytes:
    """All that is to be sent now."""
    return b"".join(iter(client.data_to_send, b""))


def told(client: SmtpClient, data: bytes) -> list[Answered | Marker]:
    """The events these bytes cause, up to the marker."""
    client.receive_data(data)
    events = []
    while isinstance(event := client.next_event(), Answered):
        events.append(event)
    return [*events, event]


def codes(events: list[Answered | Marker]) -> list[tuple[Verb, int]]:
    """Verb and code of each answer."""
    return [(e.verb, e.reply.code) for e in events if isinstance(e, Answered)]


def ready_client(ehlo: bytes = EHLO, *, encrypted: bool = False) -> SmtpClient:
    """A client that has been introduced."""
    client = SmtpClient(encrypted=encrypted)
    told(client, b"220 mx.test\r\n")
    client.ehlo("me.test")
    said(client)
    told(client, ehlo)
    return client


def test_introduction_fills_the_capabilities() -> None:
    """After EHLO the client knows what was offered and is ready."""
    client = ready_client()
    assert client.state is State.READY
    assert client.capabilities == Capabilities(
        pipelining=True, starttls=True, size=9000, auth=frozenset({"LOGIN", "PLAIN"})
    )


def test_helo_offers_nothing() -> None:
    """A server that knows HELO only has no extension, whatever it says."""
    client = SmtpClient()
    told(client, b"220 old.test\r\n")
    client.ehlo("me.test")
    told(client, b"500 what?\r\n")
    client.helo("me.test")
    told(client, b"250-old.test\r\n250 PIPELINING\r\n")
    assert client.state is State.READY
    assert client.capabilities == Capabilities()


def test_group_leaves_in_one_write_and_next_rides_behind_the_dot() -> None:
    """RFC 2920 3.1: DATA ends a group, its content begins the next."""
    client = ready_client()
    client.mail("a@s.test", HELLO)
    client.rcpt("b@r.test")
    client.data()
    assert said(client) == (
        b"MAIL FROM:<a@s.test> SIZE=17\r\nRCPT TO:<b@r.test>\r\nDATA\r\n"
    )
    told(client, b"250 a\r\n250 b\r\n354 c\r\n")
    client.content(HELLO)
    client.mail("", HELLO)
    assert said(client) == (b"Subject: a\r\n\r\nb\r\n.\r\nMAIL FROM:<> SIZE=17\r\n")
    events = told(client, b"250 took it\r\n250 go on\r\n")
    assert codes(events) == [(Verb.DOT, 250), (Verb.MAIL, 250)]


def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    """What was not offered is not used, though the state would allow it."""
    client = ready_client(b"250 mx.test\r\n")
    client.mail("a@s.test", HELLO)
    with pytest.raises(LocalProtocolError):
        client.rcpt("b@r.test")


def test_nothing_follows_data_before_its_answer() -> None:
    """RFC 2920 3.1: DATA is the last of its group."""
    client = ready_client()
    client.mail("a@s.test", HELLO)
    client.rcpt("b@r.test")
    client.data()
    for command in (client.rset, client.quit, client.data):
        with pytest.raises(LocalProtocolError):
            command()
    with pytest.raises(LocalProtocolError):
        client.content(HELLO)


def test_parameters_are_those_that_are_offered_and_needed() -> None:
    """BODY only for 8-bit content and SMTPUTF8 only when asked for (RFC 6531)."""
    client = ready_client(b"250-mx.test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
    client.mail("\u00fc@s.test", wire_content(b"\r\n\r\n\xc3\xbc"), utf8=True)
    line = "MAIL FROM:<\u00fc@s.test> BODY=8BITMIME SMTPUTF8\r\n"
    assert said(client) == line.encode()


@pytest.mark.parametrize("address", ["a@b>\r\nRSET", "a b@c", "\r\n"])
def test_injected_address_puts_nothing_on_the_wire(address: str) -> None:
    """ATTACKS 6: an address that could be a command raises before it is queued."""
    client = ready_client()
    with pytest.raises(LocalProtocolError):
        client.mail(address, HELLO)
    assert said(client) == b""
    assert client.state is State.READY


def test_starttls_forgets_what_was_offered() -> None:
    """RFC 3207 4.2: nothing learnt in clear survives the handshake."""
    client = ready_client()
    client.starttls()
    told(client, b"220 go\r\n")
    assert client.capabilities == Capabilities()
    assert client.state is State.HANDSHAKE
    client.tls_established()
    assert client.encrypted
    with pytest.raises(LocalProtocolError):
        client.mail("a@s.test", HELLO)
    client.ehlo("me.test")


@pytest.mark.parametrize("together", [True, False])
def test_answers_injected_behind_starttls_end_the_session(together: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """ATTACKS 23, CVE-2011-0411: clear text behind the 220 is never an answer."""
    client = ready_client()
    client.starttls()
    evil = b"250-evil\r\n250 AUTH PLAIN\r\n"
    if together:
        client.receive_data(b"220 go\r\n" + evil)
    else:
        told(client, b"220 go\r\n")
        client.receive_data(evil)
    with pytest.raises(RemoteProtocolError):
        client.next_event()
    assert client.is_closed
    with pytest.raises(LocalProtocolError):
        client.tls_established()


def test_refused_starttls_leaves_the_session_in_clear() -> None:
    """ATTACKS 23: the caller can see that there is no TLS."""
    client = ready_client()
    client.starttls()
    assert codes(told(client, b"454 not now\r\n")) == [(Verb.STARTTLS, 454)]
    assert not client.encrypted
    assert client.state is State.READY


def test_starttls_is_not_asked_of_those_who_lack_it() -> None:
    """What is not offered, or already there, raises."""
    with pytest.raises(LocalProtocolError):
        ready_client(b"250 mx.test\r\n").starttls()
    with pytest.raises(LocalProtocolError):
        ready_client(encrypted=True).starttls()


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_credentials_never_go_in_clear(mechanism: Mechanism) -> None:
    """Without TLS and without leave nothing is queued."""
    client = ready_client()
    with pytest.raises(LocalProtocolError) as caught:
        client.auth(mechanism, "user", "secret")
    assert "secret" not in str(caught.value)
    assert said(client) == b""
    client.auth(mechanism, "user", "secret", allow_plaintext=True)


def test_plain_goes_in_one_line() -> None:
    """RFC 4616 with the initial response of RFC 4954 4."""
    client = ready_client(encrypted=True)
    client.auth(Mechanism.PLAIN, "user", "s\u00e9cret")
    token = base64.b64encode("\0user\0s\u00e9cret".encode())
    assert said(client) == b"AUTH PLAIN " + token + b"\r\n"
    assert codes(told(client, b"235 in\r\n")) == [(Verb.AUTH, 235)]


def test_login_answers_two_challenges() -> None:
    """The verdict is the only event; the challenges are answered on the way."""
    client = ready_client(encrypted=True)
    client.auth(Mechanism.LOGIN, "user", "secret")
    assert said(client) == b"AUTH LOGIN\r\n"
    assert told(client, b"334 VXNlcm5hbWU6\r\n") == [Marker.NEED_DATA]
    assert said(client) == base64.b64encode(b"user") + b"\r\n"
    assert told(client, b"334 UGFzc3dvcmQ6\r\n") == [Marker.NEED_DATA]
    assert said(client) == base64.b64encode(b"secret") + b"\r\n"
    assert codes(told(client, b"535 no\r\n")) == [(Verb.AUTH, 535)]


def test_a_challenge_too_many_ends_the_session() -> None:
    """A server cannot ask for more than the mechanism has."""
    client = ready_client(encrypted=True)
    client.auth(Mechanism.PLAIN, "user", "secret")
    client.receive_data(b"334 more\r\n")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_closing_ends_the_session_wherever_it_comes() -> None:
    """ATTACKS 23: 421 in the middle of a group answers one command, then it is over."""
    client = ready_client()
    client.mail("a@s.test", HELLO)
    client.rcpt("b@r.test")
    client.data()
    events = told(client, b"250 a\r\n421 enough\r\n354 never\r\n")
    assert codes(events) == [(Verb.MAIL, 250), (Verb.RCPT, 421)]
    assert events[-1] is Marker.CLOSED
    assert client.is_closed


def test_closing_without_a_question_is_a_close() -> None:
    """RFC 5321 3.8: a server may say 421 on its own."""
    assert told(ready_client(), b"421 idle\r\n") == [Marker.CLOSED]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (SmtpClient.rset, b"354 go on\r\n"),
        (SmtpClient.rset, b"500 no\r\n"),
        (lambda client: client.mail("a@s.test", HELLO), b"354 go on\r\n"),
        (lambda _client: None, b"250 unasked\r\n"),
    ],
)
def test_answer_that_makes_no_sense_ends_the_session(
    command: object, reply: bytes
) -> None:
    """ATTACKS 23: an answer that is none to the command is a protocol error."""
    client = ready_client()
    assert callable(command)
    command(client)
    client.receive_data(reply)
    with pytest.raises(RemoteProtocolError):
        client.next_event()
    assert client.next_event() is Marker.CLOSED


def content_client(content: bytes, *, end: bool = True) -> SmtpClient:
    """A client whose content is queued and not yet taken, with its dot or without."""
    client = ready_client()
    wire = wire_content(content)
    client.mail("a@s.test", wire)
    client.rcpt("b@r.test")
    client.data()
    said(client)
    told(client, b"250 a\r\n250 b\r\n354 c\r\n")
    client.body(wire)
    if end:
        client.dot()
    return client


def test_large_content_leaves_in_pieces_and_the_dot_is_known_to_be_out() -> None:
    """`dot_is_out` turns true with the piece that holds the final dot."""
    client = content_client(b"x" * (3 * PIECE_BYTES))
    sizes = []
    while client.has_data_to_send:
        assert not client.dot_is_out
        sizes.append(len(client.data_to_send()))
    assert client.dot_is_out
    assert sizes == [PIECE_BYTES] * 3 + [5]


def test_a_dot_that_is_held_back_is_not_out_whatever_was_sent() -> None:
    """All of the content is on the wire, and yet it is no message."""
    client = content_client(b"x", end=False)
    assert said(client) == b"x\r\n"
    assert not client.dot_is_out
    with pytest.raises(LocalProtocolError):
        client.mail("a@s.test", HELLO)
    client.dot()
    assert not client.dot_is_out
    client.mail("a@s.test", HELLO)
    assert said(client).startswith(b".\r\nMAIL FROM")
    assert client.dot_is_out


@pytest.mark.parametrize("end", [True, False])
def test_message_can_be_refused_before_its_end_but_not_accepted(*, end: bool) -> None:
    """An early 552 is an answer and the end; an early 250 is a lie."""
    client = content_client(b"x" * (3 * PIECE_BYTES), end=end)
    client.data_to_send()
    assert codes(told(client, b"552 too much\r\n")) == [(Verb.DOT, 552)]
    assert client.is_closed
    client = content_client(b"x" * (3 * PIECE_BYTES), end=end)
    client.data_to_send()
    client.receive_data(b"250 thanks\r\n")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_unread_events_are_bounded() -> None:
    """ATTACKS 23: a caller that does not read is stopped, not fed for ever."""
    client = SmtpClient()
    for _ in range(3):
        client.receive_data(b"220 hi\r\n" * 8192)
    with pytest.raises(LocalProtocolError):
        client.receive_data(b"220 hi\r\n" * 8193)


def test_end_of_stream_is_a_close_behind_the_last_answer() -> None:
    """What was said before the close is still heard."""
    client = SmtpClient()
    client.receive_data(b"220 hi\r\n220")
    client.receive_data(b"")
    assert isinstance(client.next_event(), Answered)
    assert client.next_event() is Marker.CLOSED
    assert client.is_closed


def test_tables_are_complete() -> None:
    """Every state and verb has its row, and every state can be reached."""
    assert set(MOVES) == set(State)
    assert set(ANSWERS) == set(Verb)
    reached = {after for moves in MOVES.values() for after in moves.values()}
    answered = {after for row in ANSWERS.values() for after in row.values()}
    assert set(State) - reached - answered == {State.CONNECTED}


def events_of(chunks: list[bytes]) -> list[object]:
    """All that a client with a full pipeline makes of these bytes."""
    client = ready_client()
    client.mail("a@s.test", HELLO)
    client.rcpt("b@r.test")
    client.rcpt("c@r.test")
    client.data()
    said(client)
    found: list[object] = []
    for chunk in chunks:
        client.receive_data(chunk)
        try:
            while isinstance(event := client.next_event(), Answered):
                found.append(event)
        except RemoteProtocolError as error:
            return [*found, str(error)]
        if event is Marker.CLOSED:
            return [*found, event]
    return found


ANSWER = st.sampled_from(
    [
        b"250 ok\r\n",
        b"250-a\r\n250 b\r\n",
        b"354 go\r\n",
        b"450 4.2.0 later\n",
        b"550 5.1 no\r\n",
        b"421 bye\r\n",
        b"\x00\r\n",
        b"250-\xff\r\n",
    ]
)


@given(st.lists(ANSWER, max_size=7), st.lists(st.integers(0, 300), max_size=20))
def test_any_chopping_gives_the_same_events(
    answers: list[bytes], cuts: list[int]
) -> None:
    """Events do not depend on how the network cut the stream."""
    data = b"".join(answers)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places) if a < b]
    assert events_of(pieces) == events_of([data] if data else [])
