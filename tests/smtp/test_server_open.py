"""A door that takes mail without a login, as servers among each other do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.reply import Reply
from appliance.smtp.server_events import ContentReceived, Event, Marker, RcptGiven
from appliance.smtp.server_moves import MOVES, OPEN_MOVES, OPEN_READY, State, Verb
from tests.smtp.talk import ENVELOPE, MANNERS, PLAIN, Talk, decide
from tests.smtp.test_server_moves import COMMANDS

OPEN = replace(MANNERS, open=True)
# Behind EHLO and within a transaction, by whether TLS is there: the code of each
# command, in the order of COMMANDS. Written by hand from the documents.
ROWS = {
    (State.CONNECTED, False): "250 250 503 538 503 503 503 503 503",
    (State.CLEAR, False): "250 250 220 538 250 503 503 503 503",
    (State.ENVELOPE, False): "250 250 503 503 503 250 503 503 503",
    (State.UNWANTED, False): "250 250 503 503 503 250 554 554 554",
    (State.ADDRESSED, False): "250 250 503 503 503 250 354 250 250",
    (State.CHUNKED, False): "250 250 503 503 503 503 503 250 250",
    (State.SPOILT, False): "250 250 503 503 250 503 503 503 503",
    (State.SECURED, True): "250 250 501 503 503 503 503 503 503",
    (State.INTRODUCED, True): "250 250 501 235 250 503 503 503 503",
    (State.ENVELOPE, True): "250 250 503 503 503 250 503 503 503",
    (State.ADDRESSED, True): "250 250 503 503 503 250 354 250 250",
}
_HELLO = b"EHLO me.test\r\n"
_WAYS = {
    State.CONNECTED: b"RSET\r\n",
    State.CLEAR: _HELLO,
    State.SECURED: b"RSET\r\n",
    State.INTRODUCED: _HELLO,
    State.ENVELOPE: _HELLO + b"MAIL FROM:<>\r\n",
    State.UNWANTED: _HELLO + b"MAIL FROM:<>\r\nRCPT TO:<no@r.test>\r\n",
    State.ADDRESSED: _HELLO + ENVELOPE,
    State.CHUNKED: _HELLO + ENVELOPE + b"BDAT 2\r\nab",
    State.SPOILT: _HELLO + ENVELOPE + b"BDAT 2000\r\n" + b"x" * 2_000,
}


def talk_in(state: State, *, encrypted: bool = False) -> Talk:
    """A session at the open door in this state, nobody logged in."""
    talk = Talk(OPEN, encrypted=encrypted)
    talk.hear(_WAYS[state])
    assert talk.server.state is state
    return talk


@pytest.mark.parametrize(("state", "encrypted"), ROWS)
def test_each_command_without_a_login(state: State, *, encrypted: bool) -> None:
    """ATTACKS 5: mail is taken as behind a login, and nothing else is let."""
    expected = ROWS[state, encrypted].split()
    for verb, code in zip(COMMANDS, expected, strict=False):
        talk = talk_in(state, encrypted=encrypted)
        answers = [one[:3] for one in talk.codes(COMMANDS[verb])]
        assert (verb, answers) == (verb, [code])
        assert talk.server.authenticated == (code == "235")


def test_behind_a_mail_the_session_is_where_it_was() -> None:
    """STARTTLS and AUTH can be said between two mails, in clear and under TLS."""
    mail = ENVELOPE + b"DATA\r\nhi\r\n.\r\n"
    for encrypted in (False, True):
        talk = talk_in(OPEN_READY[encrypted], encrypted=encrypted)
        for line in (mail, ENVELOPE + b"RSET\r\n", ENVELOPE + b"EHLO me.test\r\n"):
            assert {one[0] for one in talk.codes(line)} <= {"2", "3"}
            assert talk.server.state is OPEN_READY[encrypted]
    clear = talk_in(State.CLEAR)
    clear.hear(mail)
    assert clear.codes(b"STARTTLS\r\n") == ["220 2.0.0"]
    clear.server.tls_established()
    clear.hear(_HELLO)
    assert clear.codes(b"AUTH PLAIN " + PLAIN + b"\r\n") == ["235 2.0.0"]
    assert clear.server.state is State.READY


def test_who_logs_in_is_led_as_everywhere() -> None:
    """The open table holds until there is a login, and no longer."""
    talk = Talk(OPEN)
    talk.hear(_HELLO + b"AUTH PLAIN " + PLAIN + b"\r\n" + ENVELOPE + b"RSET\r\n")
    assert talk.server.state is State.READY
    assert talk.codes(b"STARTTLS\r\nAUTH PLAIN\r\n") == ["501 5.5.1", "503 5.5.1"]


def test_nothing_in_clear_leads_to_a_login() -> None:
    """Read from the table: passwords wait for TLS at this door too."""
    logins = {state for state, row in OPEN_MOVES.items() if row.get(Verb.AUTH)}
    leading = {one for one in logins if isinstance(OPEN_MOVES[one][Verb.AUTH], State)}
    assert leading == {State.INTRODUCED}
    assert set(OPEN_MOVES) == set(MOVES)
    for state, row in OPEN_MOVES.items():
        assert set(row) == set(MOVES[state])


def test_line_ends_are_made_right_for_strangers_only() -> None:
    """A bounce with a lone LF is read; a dot between lone ones ends nothing."""
    strange = b"a\nb\r\n\n.\nc\r\n.\r\n"
    talk = talk_in(State.ADDRESSED)
    assert talk.codes(b"DATA\r\n" + strange)[-1].startswith("250")
    assert talk.contents() == [b"a\r\nb\r\n\r\n.\r\nc\r\n"]
    known = Talk(OPEN)
    known.hear(_HELLO + b"AUTH PLAIN " + PLAIN + b"\r\n" + ENVELOPE + b"DATA\r\n")
    assert known.codes(strange) == ["550 5.6.11"]


def test_a_stranger_is_admitted_with_the_first_recipient() -> None:
    """Until then it is somebody who may only be passing the time."""
    talk = talk_in(State.UNWANTED)
    admitted = [talk.server.admitted]
    talk.hear(b"RCPT TO:<b@r.test>\r\n")
    assert [*admitted, talk.server.admitted] == [False, True]
    assert not talk.server.authenticated


def test_a_size_that_the_caller_lowers_holds_for_the_mail() -> None:
    """What is announced to all may be more than a stranger may bring."""

    def strict(event: Event) -> Reply:
        talk.server.max_size = 10
        return decide(event)

    talk = Talk(OPEN, encrypted=False, decide=strict)
    talk.hear(_HELLO + ENVELOPE + b"DATA\r\n")
    assert talk.codes(b"x" * 20 + b"\r\n.\r\n") == ["552 5.3.4"]
    assert not any(isinstance(one, ContentReceived) for one in talk.events)
    assert talk.server.next_event() is Marker.NEED_DATA


@given(st.lists(st.sampled_from(sorted(COMMANDS, key=lambda one: one.name))))
def test_whatever_a_stranger_says_in_clear_he_stays_one(verbs: list[Verb]) -> None:
    """ATTACKS 5: each line has one answer, and no order of them logs anybody in."""
    talk = Talk(OPEN, encrypted=False)
    talk.hear(_HELLO)
    for verb in verbs:
        if verb is Verb.STARTTLS or talk.server.is_closed:
            continue
        in_content = talk.server.state is State.CONTENT
        line = b"hi\r\n.\r\n" if in_content else COMMANDS[verb]
        assert len(talk.hear(line)) == 1
        assert not talk.server.authenticated
    mails = talk.contents()
    recipients = [one for one in talk.events if isinstance(one, RcptGiven)]
    assert len(mails) <= len(recipients)
