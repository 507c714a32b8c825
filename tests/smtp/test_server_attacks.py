"""The lines of ATTACKS.md that the protocol alone has to survive."""

from dataclasses import replace

import pytest

from appliance.smtp.reply import Reply
from appliance.smtp.server_events import ContentAsked, Event, Login, MailGiven, TlsAsked
from appliance.smtp.server_moves import State
from tests.smtp.talk import ENVELOPE, MANNERS, PLAIN, Talk, in_content, ready

SMUGGLED = b"MAIL FROM:<eve@evil.test>\r\nRCPT TO:<b@r.test>\r\nDATA\r\nevil\r\n.\r\n"
# Ends of data that some server somewhere believes in.
FALSE_ENDS = [
    *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n"),
    *(b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\0\n", b"\0\r\n.\0\r\n"),
]


@pytest.mark.parametrize("false_end", FALSE_ENDS)
def test_nothing_is_smuggled_behind_a_false_end(false_end: bytes) -> None:
    """ATTACKS 1, CVE-2023-51764: a second mail in the first is never a mail.

    The true end is that of the smuggled text, so all of it is one message, and
    that is refused; split over packets at every position.
    """
    stream = b"a" + false_end + SMUGGLED
    for at in range(1, len(stream)):
        talk = in_content()
        [code] = talk.codes(stream[:at], stream[at:])
        assert code in {"550 5.6.11", "550 5.6.0"}
        assert talk.events == []
        assert talk.server.state is State.READY


@pytest.mark.parametrize("false_end", FALSE_ENDS[:6])
def test_smuggled_text_stays_text_where_line_ends_are_mended(false_end: bytes) -> None:
    """ATTACKS 1: with normalised line ends it is one message, all of it text."""
    talk = in_content(replace(MANNERS, normalise_line_ends=True))
    assert talk.codes(b"a" + false_end + SMUGGLED) == ["250 2.0.0"]
    [message] = talk.contents()
    assert message.startswith(b"a\r\n")
    assert message.endswith(b"DATA\r\nevil\r\n")
    assert message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n")


def test_lone_line_end_in_a_chunk_is_refused_too() -> None:
    """ATTACKS 1: BDAT is no way round it, nor is a CRLF cut by two chunks."""
    for chunks, code in (
        (b"BDAT 4\r\na\n.\nBDAT 2 LAST\r\n\r\n", "550 5.6.11"),
        (b"BDAT 2\r\na\rBDAT 2 LAST\r\nb\n", "550 5.6.11"),
        (b"BDAT 2\r\na\rBDAT 1 LAST\r\n\n", "250 2.0.0"),
    ):
        talk = ready()
        assert talk.codes(ENVELOPE + chunks)[-1] == code


@pytest.mark.parametrize("line", [b"RSET\n", b"RCPT TO:<b@r.test\nRSET\r\nQUIT\r\n"])
def test_lone_lf_in_a_command_ends_the_session(line: bytes) -> None:
    """ATTACKS 1: neither it nor what is hidden behind it is obeyed."""
    talk = ready()
    talk.hear(b"MAIL FROM:<a@s.test>\r\n")
    assert talk.hear(line) == ["500 5.5.2 A line ends with CR and LF"]
    assert talk.server.is_closed


@pytest.mark.parametrize("line", [b"RS\rET\r\n", b"RSET\r\r\n", b"\rRSET\r\n"])
def test_lone_cr_in_a_command_is_refused(line: bytes) -> None:
    """ATTACKS 1: a line with a CR in it is no command."""
    talk = ready()
    talk.hear(b"MAIL FROM:<a@s.test>\r\n")
    assert talk.codes(line) == ["500 5.5.2"]
    assert talk.server.state is State.ENVELOPE


INJECTED = [
    b"EHLO evil.test\r\n",
    b"EHLO evil.test\r\nAUTH PLAIN " + PLAIN + b"\r\n" + ENVELOPE,
    b"NOOP",
    b"x" * 5_000,
    b"\n",
]


@pytest.mark.parametrize("injected", INJECTED)
def test_bytes_behind_starttls_are_thrown_away(injected: bytes) -> None:
    """ATTACKS 2, CVE-2011-0411: in the same packet or in one before the handshake."""
    for pieces in (
        [b"STARTTLS\r\n" + injected],
        [b"STARTTLS\r\n", injected],
        [b"STARTTLS\r\n" + injected[:1], injected[1:]],
    ):
        talk = Talk(encrypted=False)
        talk.hear(b"EHLO me.test\r\n")
        assert talk.codes(*filter(None, pieces)) == ["220 2.0.0"]
        assert talk.server.injected
        talk.server.tls_established()
        assert talk.codes(b"RCPT TO:<b@r.test>\r\n") == ["503 5.5.1"]
        assert talk.server.hello == ""
        assert talk.events == [TlsAsked()]


def test_injection_is_an_error() -> None:
    """ATTACKS 2: who does it once too often is not served under TLS either."""
    talk = Talk(replace(MANNERS, max_errors=0), encrypted=False)
    talk.hear(b"EHLO me.test\r\nSTARTTLS\r\nNOOP\r\n")
    talk.server.tls_established()
    assert talk.codes(b"NOOP\r\n") == ["421 4.7.0"]
    assert talk.server.is_closed


def test_nothing_said_in_clear_survives_tls() -> None:
    """ATTACKS 2, RFC 3207 4.2: the client is a stranger behind the handshake."""
    talk = Talk(encrypted=False)
    talk.hear(b"EHLO me.test\r\nSTARTTLS\r\n")
    talk.server.tls_established()
    assert (talk.server.hello, talk.server.extended) == ("", False)
    assert not talk.server.authenticated
    for line in (b"AUTH PLAIN " + PLAIN + b"\r\n", ENVELOPE, b"DATA\r\n"):
        assert {*talk.codes(line)} == {"503 5.5.1"}
    assert talk.events == [TlsAsked()]


def test_starttls_has_one_place() -> None:
    """ATTACKS 2: twice, with an argument, inside of AUTH or of a transaction."""
    talk = Talk(encrypted=False)
    assert talk.codes(b"STARTTLS\r\n") == ["503 5.5.1"]
    talk.hear(b"EHLO me.test\r\n")
    assert talk.codes(b"STARTTLS now\r\n") == ["501 5.5.4"]
    assert talk.codes(ENVELOPE) == ["530 5.7.0"] * 2
    assert talk.codes(b"STARTTLS\r\n") == ["220 2.0.0"]
    talk.server.tls_established()
    talk.hear(b"EHLO me.test\r\n")
    assert talk.hear(b"STARTTLS\r\n") == ["501 5.5.1 TLS is already active"]
    assert talk.codes(b"AUTH LOGIN\r\nSTARTTLS\r\n") == ["334", "501 5.5.2"]
    talk.hear(b"AUTH PLAIN " + PLAIN + b"\r\n" + ENVELOPE)
    assert talk.codes(b"STARTTLS\r\n") == ["501 5.5.1"]
    assert talk.server.state is State.ADDRESSED


def test_no_login_and_no_mail_in_clear() -> None:
    """ATTACKS 3: a password that was sent in clear is not even read."""
    talk = Talk(encrypted=False)
    talk.hear(b"EHLO me.test\r\n")
    assert talk.hear(b"AUTH PLAIN " + PLAIN + b"\r\n") == [
        "538 5.7.11 Encryption required for requested authentication mechanism"
    ]
    assert talk.hear(b"MAIL FROM:<a@s.test>\r\n") == [
        "530 5.7.0 Must issue a STARTTLS command first"
    ]
    assert talk.events == []


def test_no_mail_before_login() -> None:
    """ATTACKS 3: each step to a mail is refused in the same words."""
    talk = Talk()
    talk.hear(b"EHLO me.test\r\n")
    replies = talk.hear(ENVELOPE + b"DATA\r\nBDAT 6 LAST\r\nQUIT\r\n")
    assert replies == ["530 5.7.0 Authentication required"] * 4
    assert talk.events == []


def test_login_is_once() -> None:
    """ATTACKS 3, RFC 4954 4: a session does not change its owner."""
    talk = ready()
    for line in (b"AUTH PLAIN " + PLAIN + b"\r\n", b"AUTH LOGIN\r\n"):
        assert talk.codes(line) == ["503 5.5.1"]
    assert talk.events == []


def test_cancelled_and_broken_exchanges_are_no_logins() -> None:
    """ATTACKS 3: after each of them a good login still gets in."""
    talk = Talk()
    talk.hear(b"EHLO me.test\r\n")
    for lines, last in [
        (b"AUTH PLAIN\r\n*\r\n", "501 5.5.0"),
        (b"AUTH LOGIN\r\ndXNlcg==\r\n*\r\n", "501 5.5.0"),
        (b"AUTH PLAIN\r\n?\r\n", "501 5.5.2"),
        (b"AUTH PLAIN ?\r\n", "501 5.5.2"),
        (b"AUTH PLAIN\r\n" + b"A" * 12_287 + b"\r\n", "500 5.5.6"),
        (b"AUTH PLAIN " + b"A" * 12_276 + b"\r\n", "500 5.5.6"),
        (b"AUTH PLAIN " + b"A" * 12_272 + b"\r\n", "501 5.5.2"),
        (b"AUTH CRAM-MD5\r\n", "504 5.5.4"),
    ]:
        assert talk.codes(lines)[-1] == last
        assert talk.server.state is State.INTRODUCED
    assert talk.events == []
    assert talk.codes(b"AUTH PLAIN " + PLAIN + b"\r\n") == ["235 2.0.0"]


def test_command_in_an_exchange_is_a_response() -> None:
    """ATTACKS 3: neither QUIT nor MAIL is obeyed where a response must stand."""
    talk = Talk()
    talk.hear(b"EHLO me.test\r\n")
    assert talk.codes(b"AUTH LOGIN\r\nQUIT\r\n") == ["334", "334"]
    assert talk.codes(b"MAIL FROM:<a@s.test>\r\n") == ["501 5.5.2"]
    assert talk.events == []


def test_size_is_a_promise_that_is_not_believed() -> None:
    """ATTACKS 4: SIZE says little and much comes, or says more than can be."""
    talk = ready()
    assert talk.codes(b"MAIL FROM:<a@s.test> SIZE=99999999999999999999\r\n") == [
        "552 5.3.4"
    ]
    talk.hear(b"MAIL FROM:<a@s.test> SIZE=1\r\nRCPT TO:<b@r.test>\r\nDATA\r\n")
    assert talk.codes(b"x" * 1_001 + b"\r\n.\r\n") == ["552 5.3.4"]
    assert talk.contents() == []


def test_tls_where_smtp_is_spoken_is_told_and_closed() -> None:
    """A client that begins with TLS on a port in clear does not wait for ever."""
    for pieces in ([b"\x16\x03\x01\x02\x00\x01"], [b"\x16", b"\x03"]):
        talk = Talk(encrypted=False)
        assert talk.codes(*pieces) == ["500 5.5.2"]
        assert talk.server.is_closed


def test_commands_in_content_are_content() -> None:
    """ATTACKS 5: QUIT, RSET and DATA behind the 354 are lines of the message."""
    talk = in_content()
    assert talk.codes(b"RSET\r\nQUIT\r\nDATA\r\nBDAT 3 LAST\r\n.\r\n") == ["250 2.0.0"]
    assert talk.contents() == [b"RSET\r\nQUIT\r\nDATA\r\nBDAT 3 LAST\r\n"]


def test_content_where_commands_stand_is_refused() -> None:
    """ATTACKS 5: lines of a message that was not agreed to are no commands."""
    talk = ready()
    codes = talk.codes(b"DATA\r\nSubject: a\r\n\r\nbody\r\n.\r\n")
    assert codes == ["503 5.5.1"] + ["500 5.5.2"] * 4
    assert talk.events == []


@pytest.mark.parametrize("size", [b"", b"x", b"-1", b"1 2", b"9" * 21, b"6 LAST 7"])
def test_chunk_of_unknown_size_ends_the_session(size: bytes) -> None:
    """ATTACKS 5: what follows could be read as commands, so nothing is read."""
    talk = ready()
    talk.hear(ENVELOPE)
    assert talk.codes(b"BDAT " + size + b"\r\nRSET\r\nQUIT\r\n") == ["501 5.5.4"]
    assert talk.server.is_closed
    assert ContentAsked() not in talk.events


def test_chunk_is_counted_and_not_read() -> None:
    """ATTACKS 5: too short or too long a count shifts what is a command."""
    talk = ready()
    codes = talk.codes(ENVELOPE + b"BDAT 4 LAST\r\nab\r\nRSET\r\n")
    assert codes[2:] == ["250 2.0.0", "250 2.0.0"]
    codes = talk.codes(ENVELOPE + b"BDAT 10 LAST\r\nab\r\nRSET\r\n")
    assert codes[2:] == ["250 2.0.0"]
    assert talk.contents()[-1] == b"ab\r\nRSET\r\n"
    codes = talk.codes(ENVELOPE + b"BDAT 2 LAST\r\nab\r\nRSET\r\n")
    assert codes[2:] == ["250 2.0.0", "500 5.5.2", "250 2.0.0"]
    codes = talk.codes(ENVELOPE + b"BDAT 3 LAST\r\nab\r\nRSET\r\n")
    assert codes[2:] == ["550 5.6.11", "500 5.5.2"]
    assert talk.server.is_closed


def test_chunk_out_of_order_keeps_the_count() -> None:
    """ATTACKS 5: its bytes are dropped before it is refused, never obeyed."""
    talk = ready()
    chunk = b"BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n"
    assert talk.codes(chunk + b"NOOP\r\n") == ["503 5.5.1"] * 2 + ["250 2.0.0"]
    assert talk.codes(b"MAIL FROM:<a@s.test>\r\n" + chunk)[1:] == ["503 5.5.1"] * 2
    assert talk.events == [MailGiven("a@s.test")]


def test_data_and_chunks_do_not_mix() -> None:
    """ATTACKS 5, RFC 3030 2: a message that begins in chunks ends in chunks."""
    talk = ready()
    talk.hear(ENVELOPE + b"BDAT 3\r\na\r\n")
    for line in (b"DATA\r\n", ENVELOPE):
        assert {*talk.codes(line)} == {"503 5.5.1"}
    assert talk.codes(b"BDAT 0 LAST\r\n") == ["250 2.0.0"]
    assert talk.contents() == [b"a\r\n"]


@pytest.mark.parametrize("interruption", [b"RSET\r\n", b"EHLO other.test\r\n"])
@pytest.mark.parametrize(
    "begun",
    [b"MAIL FROM:<a@s.test>\r\n", ENVELOPE, ENVELOPE + b"BDAT 3\r\na\r\n"],
)
def test_interruption_forgets_the_transaction(
    begun: bytes, interruption: bytes
) -> None:
    """ATTACKS 5: RSET in the middle, EHLO between RCPT and DATA."""
    talk = ready()
    talk.hear(begun)
    assert talk.codes(interruption)[0][:3] == "250"
    assert talk.server.content_bytes == 0
    assert not talk.server.accepting
    assert talk.codes(b"RCPT TO:<b@r.test>\r\nDATA\r\n") == ["503 5.5.1"] * 2
    talk.hear(ENVELOPE + b"BDAT 3 LAST\r\nb\r\n")
    assert talk.contents() == [b"b\r\n"]


def test_quit_behind_a_message_waits_for_its_verdict() -> None:
    """ATTACKS 5: pipelined QUIT neither overtakes a message nor drops it."""
    talk = ready()
    codes = talk.codes(ENVELOPE + b"DATA\r\n", b"a\r\n.\r\nQUIT\r\nNOOP\r\n")
    assert codes[3:] == ["250 2.0.0", "221 2.0.0"]
    assert talk.contents() == [b"a\r\n"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("RCPT TO:<@a.test,@b.test:c@r.test>", "501 5.1.3"),
        ("RCPT TO:<c@r.test\0>", "500 5.5.2"),
        ("RCPT TO:<c@r.test>\rRSET", "500 5.5.2"),
        ("RCPT TO:<c@r.test>>", "501 5.1.3"),
        ("RCPT TO:<c\u00e9@r.test>", "553 5.6.7"),
        ("RCPT TO:<c@r.t\u0435st>", "553 5.6.7"),  # a Cyrillic e
        ("RCPT TO:<" + "c" * 320 + "@r.test>", "501 5.1.3"),
        ("RCPT TO:<c@r.test> ORCPT=rfc822;c@r.test", "555 5.5.4"),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 25", "500 5.5.2"),
        ("XCLIENT ADDR=192.0.2.1 LOGIN=root", "500 5.5.2"),
        ("XFORWARD ADDR=192.0.2.1", "500 5.5.2"),
    ],
)
def test_hostile_line_changes_nothing(line: str, code: str) -> None:
    """ATTACKS 6: it is refused, nobody above hears of it, the mail goes on."""
    talk = ready()
    talk.hear(ENVELOPE)
    talk.new_events()
    assert talk.codes(line.encode() + b"\r\n")[0] == code
    assert talk.new_events() == []
    assert talk.codes(b"DATA\r\n", b"a\r\n.\r\n") == ["354", "250 2.0.0"]


@pytest.mark.parametrize(
    "address",
    ['"a b>c"@r.test', "a@xn--bcher-kva.test", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"],
)
def test_odd_but_sound_addresses_are_for_the_caller(address: str) -> None:
    """ATTACKS 6: quoted local parts, A-labels and literals are passed on as text."""
    heard: list[Event] = []

    def refuse(event: Event) -> Reply:
        heard.append(event)
        return Reply(235) if isinstance(event, Login) else Reply(553, (address,))

    talk = ready(decide=refuse)
    replies = talk.hear(f"MAIL FROM:<{address}>\r\n".encode())
    assert replies == [f"553 {address}"]
    assert heard[-1] == MailGiven(address)
