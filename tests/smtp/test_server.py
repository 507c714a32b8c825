from dataclasses import replace

import pytest

from appliance.smtp.client import Mechanism
from appliance.smtp.errors import LocalProtocolError
from appliance.smtp.reply import EnhancedCode, Reply
from appliance.smtp.server import SmtpServer
from appliance.smtp.server_events import (
    ContentAsked,
    ContentReceived,
    Login,
    MailGiven,
    Marker,
    RcptGiven,
    TlsAsked,
)
from appliance.smtp.server_moves import State
from tests.smtp.talk import ENVELOPE, MANNERS, PLAIN, Talk, in_content, ready

COMMON = [
    "PIPELINING",
    "SIZE 1000",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
    "LIMITS RCPTMAX=3 MAILMAX=50",
]
BUSY = Reply(452, ("no room",), EnhancedCode(4, 3, 1))
SHUTDOWN = Reply(421, ("closing",), EnhancedCode(4, 3, 2))


def offered(talk: Talk) -> list[str]:
    """What EHLO offers now."""
    talk.hear(b"EHLO me.test\r\n")
    lines = talk.sent.decode().split("\r\n")
    begin = max(n for n, line in enumerate(lines) if line == "250-mx.test")
    return [line[4:] for line in lines[begin + 1 : -1]]


def test_session_begins_with_the_banner() -> None:
    """The first word is the server's, and it is there at once."""
    assert SmtpServer(MANNERS).data_to_send() == b"220 mx.test ESMTP ready\r\n"


def test_what_is_offered_is_true_at_the_moment() -> None:
    """STARTTLS before TLS, AUTH behind it and until it has been done."""
    talk = Talk(encrypted=False)
    assert offered(talk) == [*COMMON, "STARTTLS", "HELP"]
    talk.hear(b"STARTTLS\r\n")
    talk.server.tls_established()
    assert offered(talk) == [*COMMON, "AUTH PLAIN LOGIN", "HELP"]
    talk.hear(b"AUTH PLAIN " + PLAIN + b"\r\n")
    assert offered(talk) == [*COMMON, "HELP"]


def test_login_may_have_limits_of_its_own() -> None:
    """Limits set for a login hold at once, and the next EHLO tells them."""
    talk = ready()
    talk.server.max_size, talk.server.max_recipients = 50, 1
    talk.server.too_big = Reply(552, ("so big",), EnhancedCode(5, 3, 5))
    assert talk.server.too_big.lines == ("so big",)
    assert offered(talk)[1] == "SIZE 50"
    assert "LIMITS RCPTMAX=1 MAILMAX=50" in offered(talk)
    assert talk.codes(b"MAIL FROM:<a@s.test> SIZE=51\r\n") == ["552 5.3.5"]
    talk.hear(ENVELOPE + b"DATA\r\n")
    assert talk.codes(b"x" * 51 + b"\r\n.\r\n")[-1] == "552 5.3.5"
    talk.hear(ENVELOPE)
    assert talk.codes(b"BDAT 51 LAST\r\n" + b"x" * 51)[-1] == "552 5.3.5"
    codes = talk.codes(ENVELOPE + b"RCPT TO:<c@r.test>\r\n")
    assert codes == ["250 2.1.0", "250 2.1.0", "452 4.5.3"]


def test_starttls_is_not_offered_where_there_is_none() -> None:
    """A door without a certificate says so, and lets nobody in."""
    talk = Talk(replace(MANNERS, starttls=False), encrypted=False)
    assert offered(talk) == [*COMMON, "HELP"]
    assert talk.codes(b"STARTTLS\r\n") == ["502 5.5.1"]


def test_client_is_known_by_the_name_it_gives() -> None:
    """EHLO and HELO both introduce; the later one counts."""
    talk = Talk()
    assert (talk.server.hello, talk.server.extended) == ("", False)
    talk.hear(b"EHLO John's_PC\r\n")
    assert (talk.server.hello, talk.server.extended) == ("John's_PC", True)
    assert talk.hear(b"helo [192.0.2.1]\r\n") == ["250 mx.test"]
    assert (talk.server.hello, talk.server.extended) == ("[192.0.2.1]", False)


def test_mail_passes() -> None:
    """The events of a mail, each with what was said and nothing else."""
    talk = ready()
    replies = talk.hear(
        b"MAIL FROM:<a@s.test> SIZE=9 BODY=8BITMIME\r\n",
        b"RCPT TO:<b@r.test>\r\nRCPT TO:<c@r.test>\r\n",
        b"DATA\r\n",
        b"Subject: a\r\n\r\n..b\r\n.\r\n",
    )
    assert replies == [
        *["250 2.1.0 fine"] * 3,
        "354 go on",
        "250 2.0.0 taken",
    ]
    assert talk.events == [
        MailGiven("a@s.test", utf8=False, size=9, eight_bit=True),
        RcptGiven("b@r.test"),
        RcptGiven("c@r.test"),
        ContentAsked(),
        ContentReceived(b"Subject: a\r\n\r\n.b\r\n"),
    ]
    assert talk.server.state is State.READY


def test_replies_to_a_group_leave_together() -> None:
    """RFC 2920 3.2: many commands in one packet get one packet back."""
    server = ready().server
    server.receive_data(ENVELOPE + b"NOOP\r\nRSET\r\nQUIT\r\n")
    for _ in range(2):
        assert isinstance(server.next_event(), MailGiven | RcptGiven)
        server.reply(Reply(250, ("ok",)))
    assert server.next_event() is Marker.CLOSED
    assert server.data_to_send().count(b"\r\n") == 5
    assert server.data_to_send() == b""


def test_event_waits_for_its_answer() -> None:
    """Nothing behind an event is read before it is answered."""
    server = ready().server
    server.receive_data(ENVELOPE)
    assert isinstance(server.next_event(), MailGiven)
    assert server.next_event() is Marker.PAUSED
    assert server.next_event() is Marker.PAUSED
    server.reply(Reply(250, ("ok",)))
    assert isinstance(server.next_event(), RcptGiven)


@pytest.mark.parametrize("code", [150, 354, 650])
def test_answer_that_is_none_raises(code: int) -> None:
    """A caller's mistake is told to the caller, not to the client."""
    server = ready().server
    with pytest.raises(LocalProtocolError):
        server.reply(Reply(250))
    server.receive_data(ENVELOPE)
    server.next_event()
    with pytest.raises(LocalProtocolError):
        server.reply(Reply(code))
    assert server.data_to_send() == b""
    server.reply(Reply(250))


def test_refused_mail_begins_nothing() -> None:
    """After a 5xx or 4xx to MAIL there is no transaction."""
    talk = ready()
    codes = talk.codes(b"MAIL FROM:<no@s.test>\r\nRCPT TO:<b@r.test>\r\n")
    assert codes == ["550 5.7.1", "503 5.5.1"]
    assert not talk.server.in_transaction
    assert talk.codes(b"MAIL FROM:<a@s.test>\r\n") == ["250 2.1.0"]


@pytest.mark.parametrize("content", [b"DATA\r\n", b"BDAT 3 LAST\r\nabc"])
def test_content_needs_a_recipient(content: bytes) -> None:
    """503 if none was named, 554 if all were refused, whoever refused them."""
    assert ready().codes(b"MAIL FROM:<a@s.test>\r\n" + content)[1:] == ["503 5.5.1"]
    for refused in (b"RCPT TO:<no@r.test>\r\n", b"RCPT TO:<>\r\n"):
        talk = ready()
        codes = talk.codes(b"MAIL FROM:<a@s.test>\r\n" + refused + content)
        assert codes[2] == "554 5.5.1"
        assert talk.codes(b"RCPT TO:<b@r.test>\r\n" + content)[0] == "250 2.1.0"
        assert ContentAsked() in talk.events


def test_recipients_beyond_the_limit_wait_and_the_rest_goes() -> None:
    """452 is no error: the client sends these in another transaction."""
    talk = ready(replace(MANNERS, max_errors=2))
    codes = talk.codes(ENVELOPE + b"RCPT TO:<c@r.test>\r\n" * 12)
    assert codes == ["250 2.1.0"] * 4 + ["452 4.5.3"] * 10
    assert talk.codes(b"DATA\r\n", b"a\r\n.\r\n") == ["354", "250 2.0.0"]
    assert [type(one) for one in talk.events].count(RcptGiven) == 3


def test_full_disk_is_told_before_the_content() -> None:
    """A refused DATA brings no content, and the envelope stays."""
    talk = ready()
    talk.hear(ENVELOPE)
    talk.decide = lambda _event: BUSY
    assert talk.codes(b"DATA\r\n") == ["452 4.3.1"]
    assert talk.server.state is State.ADDRESSED
    assert not talk.server.accepting


def test_content_may_be_agreed_to_by_any_yes() -> None:
    """DATA is always answered with 354, whatever yes the caller gives."""
    server = ready().server
    server.receive_data(ENVELOPE + b"DATA\r\n")
    for _ in range(3):
        server.next_event()
        server.reply(Reply(250, ("ok",)))
    assert server.data_to_send().endswith(b"354 End the message with <CRLF>.<CRLF>\r\n")
    assert server.accepting


def test_chunks_make_one_message() -> None:
    """RFC 3030: consent is asked once, the bytes are counted and never searched."""
    talk = ready()
    codes = talk.codes(
        ENVELOPE + b"BDAT 8\r\n.\r\nab\r\n.BDAT 5\r\n\r\n..\rBDAT 3 LAST\r\n\nc\n"
    )
    assert codes == ["250 2.1.0"] * 2 + ["250 2.0.0"] * 2 + ["550 5.6.11"]
    codes = talk.codes(ENVELOPE + b"BDAT 8\r\n.\r\nab\r\n.bdat 4 last\r\n\r\n..")
    assert codes == ["250 2.1.0"] * 2 + ["250 2.0.0"] * 2
    assert talk.contents() == [b".\r\nab\r\n.\r\n..\r\n"]
    assert talk.events.count(ContentAsked()) == 2


def test_empty_last_chunk_ends_the_message() -> None:
    """BDAT 0 LAST is how a client ends that did not know that it was at the end."""
    talk = ready()
    codes = talk.codes(ENVELOPE + b"BDAT 3\r\na\r\nBDAT 0 LAST\r\n")
    assert codes[2:] == ["250 2.0.0", "250 2.0.0"]
    assert talk.contents() == [b"a\r\n"]


def test_refused_chunk_is_read_dropped_and_then_refused() -> None:
    """RFC 3030 2: what is on its way of a refused message is still read."""
    talk = ready()
    talk.hear(ENVELOPE)
    talk.decide = lambda _event: BUSY
    assert talk.codes(b"BDAT 6\r\nNOOP") == []
    assert talk.server.content_bytes == 0
    assert talk.codes(b"\r\nBDAT 4\r\nQUITBDAT 2 LAST\r\n\r\nNOOP\r\n") == [
        *("452 4.3.1", "503 5.5.1", "503 5.5.1"),
        "250 2.0.0",
    ]
    assert talk.server.state is State.READY
    assert talk.events.count(ContentAsked()) == 1


def test_content_that_is_too_big_leaves_the_session_usable() -> None:
    """552 is given at the end, and what came is dropped before it."""
    talk = in_content()
    assert talk.codes(b"x" * 2_000) == []
    assert talk.server.content_bytes < 5
    assert talk.server.accepting
    assert talk.codes(b"\r\n.\r\n") == ["552 5.3.4"]
    assert talk.events == []
    assert talk.codes(ENVELOPE + b"BDAT 600\r\n" + b"x" * 600) == [
        *["250 2.1.0"] * 2,
        "250 2.0.0",
    ]
    assert talk.codes(b"BDAT 600 LAST\r\n" + b"x" * 600) == ["552 5.3.4"]
    assert talk.codes(ENVELOPE + b"DATA\r\n", b"a\r\n.\r\n")[-1] == "250 2.0.0"


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 700 LAST\r\n"])
def test_content_can_be_refused_while_it_comes(command: bytes) -> None:
    """A caller that is short of memory gets it back at once."""
    talk = ready()
    talk.hear(ENVELOPE + command + b"x" * 600)
    assert talk.server.content_bytes == 600
    talk.server.refuse_content(BUSY)
    assert talk.server.content_bytes < 5
    assert talk.codes(b"x" * 98 + b"\r\n")[:1] == (
        ["452 4.3.1"] if command[0:1] == b"B" else []
    )
    if command == b"DATA\r\n":
        assert talk.codes(b".\r\n") == ["452 4.3.1"]
    assert talk.contents() == []
    assert talk.server.state is State.READY
    with pytest.raises(LocalProtocolError):
        talk.server.refuse_content(BUSY)


def test_refusal_between_chunks_is_given_behind_the_next() -> None:
    """Between chunks content is still coming, and its memory can be had."""
    talk = ready()
    talk.hear(ENVELOPE + b"BDAT 3\r\nabc")
    assert talk.server.accepting
    with pytest.raises(LocalProtocolError):
        talk.server.refuse_content(Reply(250))
    talk.server.refuse_content(BUSY)
    assert talk.codes(b"BDAT 3\r\ndefBDAT 3 LAST\r\nghi") == ["452 4.3.1", "503 5.5.1"]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("NOOP", "250 2.0.0"),
        ("noop what ever", "250 2.0.0"),
        ("NOOP ", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("RSET now", "501 5.5.4"),
        ("HELP", "214 2.0.0"),
        ("HELP MAIL", "214 2.0.0"),
        ("VRFY bob", "252 2.5.0"),
        ("VRFY", "501 5.5.4"),
        ("EXPN staff", "502 5.5.1"),
        ("QUIT", "221 2.0.0"),
        ("QUIT now", "501 5.5.4"),
        ("EHLO", "501 5.5.4"),
        ("EHLO a b", "501 5.5.4"),
        ("HELO", "501 5.5.4"),
        ("DATA now", "503 5.5.1"),
        ("", "500 5.5.2"),
        (" NOOP", "500 5.5.2"),
        ("NOOPS", "500 5.5.2"),
        ("LAST", "500 5.5.2"),
        ("TURN", "500 5.5.2"),
        ("MAIL", "501 5.5.4"),
    ],
)
def test_what_needs_no_decision_is_answered_here(command: str, reply: str) -> None:
    """These ask nobody, in any case and with blanks behind."""
    talk = ready()
    assert talk.codes(command.encode() + b"\r\n") == [reply]
    assert talk.events == []


def test_quit_is_the_last_thing_heard() -> None:
    """What stands behind QUIT is nobody's."""
    talk = ready()
    assert talk.codes(b"QUIT\r\nNOOP\r\n", b"NOOP\r\n") == ["221 2.0.0"]
    assert talk.server.is_closed
    assert talk.server.held_bytes == 0


def test_too_many_errors_end_the_session() -> None:
    """The error that is one too many is answered, and then all is said."""
    talk = ready(replace(MANNERS, max_errors=3))
    codes = talk.codes(b"WHAT\r\n" * 9)
    assert codes == ["500 5.5.2"] * 4 + ["421 4.7.0"]
    assert talk.server.is_closed


def test_a_message_that_was_taken_forgives_errors() -> None:
    """A session that serves is not ended by one bad address a day."""
    talk = ready(replace(MANNERS, max_errors=3))
    for _ in range(4):
        codes = talk.codes(b"WHAT\r\n" * 3 + ENVELOPE + b"DATA\r\n", b"a\r\n.\r\n")
        assert codes[-1] == "250 2.0.0"
    codes = talk.codes(b"WHAT\r\n" * 3 + ENVELOPE + b"DATA\r\n", b"refuse me\r\n.\r\n")
    assert codes[-1] == "421 4.7.0"


def test_refused_logins_count_as_errors() -> None:
    """ATTACKS 3: a session guesses so often and no oftener."""
    talk = Talk(replace(MANNERS, max_errors=3))
    talk.hear(b"EHLO me.test\r\n")
    codes = talk.codes(b"AUTH PLAIN AGEAYg==\r\n" * 9)
    assert codes == ["535 5.7.8"] * 4 + ["421 4.7.0"]


def test_refused_recipients_of_one_mail_count_once() -> None:
    """A list with many suppressed addresses goes to the others."""
    talk = ready(replace(MANNERS, max_errors=3))
    talk.hear(b"MAIL FROM:<a@s.test>\r\n")
    assert talk.codes(b"RCPT TO:<no@r.test>\r\n" * 20) == ["550 5.7.1"] * 20
    talk.hear(b"RCPT TO:<b@r.test>\r\nDATA\r\n")
    assert talk.codes(b"a\r\n.\r\n") == ["250 2.0.0"]
    hopeless = b"MAIL FROM:<a@s.test>\r\nRCPT TO:<no@r.test>\r\nRSET\r\n"
    assert talk.codes(hopeless * 4)[-2:] == ["550 5.7.1", "421 4.7.0"]


def test_too_many_commands_end_the_session() -> None:
    """The command that is one too many is not obeyed."""
    talk = ready(replace(MANNERS, max_commands=5))
    assert talk.codes(b"NOOP\r\n" * 9) == ["250 2.0.0"] * 3 + ["421 4.7.0"]


def test_too_many_messages_end_the_session() -> None:
    """RFC 9422: MAILMAX counts MAIL commands, whatever becomes of them."""
    talk = ready(replace(MANNERS, max_messages=2))
    codes = talk.codes(b"MAIL FROM:<no@s.test>\r\nMAIL FROM:<a@s.test>\r\nRSET\r\n")
    assert codes == ["550 5.7.1", "250 2.1.0", "250 2.0.0"]
    assert talk.codes(b"MAIL FROM:<a@s.test>\r\nNOOP\r\n") == ["421 4.7.0"]


def test_close_says_its_word_behind_all_others() -> None:
    """A shutdown is told once, between replies and never inside one."""
    talk = ready()
    talk.server.receive_data(b"EHLO me.test\r\n")
    assert talk.server.next_event() is Marker.NEED_DATA
    talk.server.close(SHUTDOWN)
    talk.server.close(SHUTDOWN)
    assert talk.server.data_to_send().endswith(b"250 HELP\r\n421 4.3.2 closing\r\n")
    assert talk.hear(b"NOOP\r\n") == []
    assert talk.server.next_event() is Marker.CLOSED


def test_close_without_a_word() -> None:
    """Nothing is said, and what was kept is dropped; an answer has no place."""
    talk = in_content()
    talk.hear(b"x" * 500)
    talk.server.close()
    assert talk.server.held_bytes == 0
    with pytest.raises(LocalProtocolError):
        talk.server.reply(Reply(250))


def test_answer_of_421_ends_the_session() -> None:
    """A caller may close by its answer, as to a login that is blocked."""
    talk = Talk(decide=lambda _event: SHUTDOWN)
    codes = talk.codes(b"EHLO a\r\nAUTH PLAIN " + PLAIN + b"\r\nNOOP\r\n")
    assert codes == ["250", "421 4.3.2"]
    assert talk.server.is_closed


def test_what_came_before_the_end_is_still_answered() -> None:
    """A client that sends all it has and closes gets its mail through."""
    talk = ready()
    talk.server.receive_data(ENVELOPE + b"BDAT 3 LAST\r\na\r\n")
    talk.server.receive_data(b"")
    assert talk.codes(b"") == ["250 2.1.0"] * 2 + ["250 2.0.0"]
    assert talk.server.is_closed


@pytest.mark.parametrize("begun", [b"DATA\r\nabc\r\n.\r", b"BDAT 9 LAST\r\nabc\r\n"])
def test_message_without_end_is_none(begun: bytes) -> None:
    """A connection that breaks in the middle of content brings no message."""
    talk = ready()
    talk.hear(ENVELOPE + begun)
    assert talk.codes(b"") == []
    assert talk.server.is_closed
    assert talk.contents() == []


def test_login_by_each_mechanism_in_each_form() -> None:
    """With and without an initial response the same login comes of it."""
    plain = [b"AUTH PLAIN " + PLAIN + b"\r\n", b"auth plain\r\n" + PLAIN + b"\r\n"]
    login = [
        b"AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n",
        b"AUTH LOGIN dXNlcg==\r\nc2VjcmV0\r\n",
    ]
    for lines in [*plain, *login]:
        talk = Talk()
        talk.hear(b"EHLO me.test\r\n")
        assert talk.hear(lines)[-1] == "235 2.0.0 in"
        mechanism = Mechanism.PLAIN if lines in plain else Mechanism.LOGIN
        assert talk.events == [Login(mechanism, "user", "secret")]
        assert talk.server.authenticated
        assert "secret" not in repr(talk.events)


def test_challenges_are_those_that_clients_look_for() -> None:
    """PLAIN is asked with nothing, LOGIN with the two known words."""
    talk = Talk()
    talk.hear(b"EHLO me.test\r\nAUTH PLAIN\r\n*\r\n")
    talk.hear(b"AUTH LOGIN\r\n\r\n\r\n")
    assert talk.sent.split(b"\r\n")[-6:] == [
        b"334 ",
        b"501 5.5.0 Authentication cancelled",
        b"334 VXNlcm5hbWU6",
        b"334 UGFzc3dvcmQ6",
        b"535 5.7.8 not you",
        b"",
    ]
    assert talk.events == [Login(Mechanism.LOGIN, "", "")]


def test_refused_login_may_be_tried_again() -> None:
    """A refusal leaves the session as it was before AUTH."""
    talk = Talk()
    talk.hear(b"EHLO me.test\r\nAUTH PLAIN AGEAYg==\r\n")
    assert talk.server.state is State.INTRODUCED
    assert not talk.server.authenticated
    assert talk.codes(b"AUTH PLAIN " + PLAIN + b"\r\n") == ["235 2.0.0"]


def test_tls_waits_for_the_handshake() -> None:
    """The 220 is queued with the event, and only the handshake goes on."""
    talk = Talk(encrypted=False)
    assert talk.codes(b"EHLO me.test\r\nSTARTTLS\r\n") == ["250", "220 2.0.0"]
    assert talk.events == [TlsAsked()]
    assert talk.server.next_event() is Marker.PAUSED
    with pytest.raises(LocalProtocolError):
        talk.server.reply(Reply(220))
    talk.server.tls_established()
    assert talk.server.encrypted
    assert not talk.server.injected
    with pytest.raises(LocalProtocolError):
        talk.server.tls_established()


def test_utf8_is_the_transactions() -> None:
    """SMTPUTF8 lasts as long as the mail it was asked for."""
    talk = ready()
    seen = []
    for line, code in [
        ("MAIL FROM:<\u00fc@s.test> SMTPUTF8\r\n", "250 2.1.0"),
        ("RCPT TO:<\u00fc@r.test>\r\n", "250 2.1.0"),
        ("RSET\r\n", "250 2.0.0"),
        ("MAIL FROM:<no@s.test> SMTPUTF8\r\n", "550 5.7.1"),
    ]:
        assert talk.codes(line.encode()) == [code]
        seen.append(talk.server.utf8)
    assert seen == [True, True, False, False]


def test_caller_that_does_not_read_or_send_is_stopped() -> None:
    """What is unread and unsent is bounded by an error, not by hope."""
    server = ready().server
    with pytest.raises(LocalProtocolError):
        server.receive_data(b"x" * (256 * 1024 + 1))
    while True:
        server.receive_data(b"EHLO a\r\n" * 100)
        assert server.next_event() is Marker.NEED_DATA
        if server.held_bytes > 256 * 1024:
            break
    with pytest.raises(LocalProtocolError):
        server.receive_data(b"NOOP\r\n")
