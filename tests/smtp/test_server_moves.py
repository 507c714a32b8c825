import pytest

from appliance.smtp.server_events import (
    ContentReceived,
    Event,
    Login,
    MailGiven,
    Marker,
    RcptGiven,
)
from appliance.smtp.server_moves import (
    AFTER_REFUSAL,
    ANSWERS,
    ASIDE,
    MOVES,
    State,
    Verb,
)
from tests.smtp.talk import ENVELOPE, PLAIN, Talk, decide, in_content, ready

COMMANDS = {
    Verb.EHLO: b"EHLO me.test\r\n",
    Verb.HELO: b"HELO me.test\r\n",
    Verb.STARTTLS: b"STARTTLS\r\n",
    Verb.AUTH: b"AUTH PLAIN " + PLAIN + b"\r\n",
    Verb.MAIL: b"MAIL FROM:<a@s.test>\r\n",
    Verb.RCPT: b"RCPT TO:<b@r.test>\r\n",
    Verb.DATA: b"DATA\r\n",
    Verb.BDAT: b"BDAT 6\r\nQUIT\r\n",
    Verb.LAST: b"BDAT 6 LAST\r\nQUIT\r\n",
    Verb.RSET: b"RSET\r\n",
    Verb.NOOP: b"NOOP\r\n",
    Verb.HELP: b"HELP\r\n",
    Verb.VRFY: b"VRFY bob\r\n",
    Verb.EXPN: b"EXPN staff\r\n",
    Verb.QUIT: b"QUIT\r\n",
}

# How each state is reached in which a command can stand, and with which code it
# answers each of the commands above, in their order. Written by hand from the
# documents, so that the table is held by something that is not itself.
ROWS = {
    State.CONNECTED: "250 250 503 538 530 530 530 530 530 250 250 214 252 502 221",
    State.CLEAR: "250 250 220 538 530 530 530 530 530 250 250 214 252 502 221",
    State.SECURED: "250 250 501 503 503 503 503 503 503 250 250 214 252 502 221",
    State.INTRODUCED: "250 250 501 235 530 530 530 530 530 250 250 214 252 502 221",
    State.READY: "250 250 501 503 250 503 503 503 503 250 250 214 252 502 221",
    State.ENVELOPE: "250 250 501 503 503 250 503 503 503 250 250 214 252 502 221",
    State.UNWANTED: "250 250 501 503 503 250 554 554 554 250 250 214 252 502 221",
    State.ADDRESSED: "250 250 501 503 503 250 354 250 250 250 250 214 252 502 221",
    State.CHUNKED: "250 250 501 503 503 503 503 250 250 250 250 214 252 502 221",
    State.SPOILT: "250 250 501 503 250 503 503 503 503 250 250 214 252 502 221",
}


def talk_in(state: State) -> Talk:
    """A session in this state."""
    if state in {State.CONNECTED, State.CLEAR}:
        talk = Talk(encrypted=False)
        talk.hear(b"EHLO me.test\r\n" if state is State.CLEAR else b"")
    elif state in {State.SECURED, State.INTRODUCED}:
        talk = Talk()
        talk.hear(b"EHLO me.test\r\n" if state is State.INTRODUCED else b"RSET\r\n")
    else:
        talk = ready()
        talk.hear(
            {
                State.READY: b"RSET\r\n",
                State.ENVELOPE: b"MAIL FROM:<a@s.test>\r\n",
                State.UNWANTED: b"MAIL FROM:<a@s.test>\r\nRCPT TO:<no@r.test>\r\n",
                State.ADDRESSED: ENVELOPE,
                State.CHUNKED: ENVELOPE + b"BDAT 2\r\nab",
                State.SPOILT: ENVELOPE + b"BDAT 2000\r\n" + b"x" * 2_000,
            }[state]
        )
    return talk


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("state", ROWS)
def test_each_command_in_each_state(state: State, verb: Verb) -> None:
    """ATTACKS 5: every command has its answer everywhere, and goes where it says."""
    talk = talk_in(state) if state is not State.CONNECTED else Talk(encrypted=False)
    assert talk.server.state is state
    expected = ROWS[state].split()[list(COMMANDS).index(verb)]
    # One answer: the bytes of a chunk are never read as the QUIT they spell.
    assert [code[:3] for code in talk.codes(COMMANDS[verb])] == [expected]
    assert talk.server.state is expected_state(state, verb)


def expected_state(state: State, verb: Verb) -> State:
    """What the tables say of a command that the caller agrees to."""
    move = state if verb in ASIDE else MOVES[state][verb]
    if not isinstance(move, State):
        return AFTER_REFUSAL[state].get(verb, state)
    if move is State.CHALLENGED:
        move = MOVES[move][Verb.RESPONSE]
    elif move is State.WHOLE:
        move = MOVES[move][Verb.VERDICT]
    assert isinstance(move, State)
    return move


@pytest.mark.parametrize(
    ("state", "line", "asked"),
    [
        (State.INTRODUCED, b"AUTH PLAIN AGEAYg==\r\n", Login),
        (State.READY, b"MAIL FROM:<no@s.test>\r\n", MailGiven),
        (State.SPOILT, b"MAIL FROM:<no@s.test>\r\n", MailGiven),
        (State.ENVELOPE, b"RCPT TO:<no@r.test>\r\n", RcptGiven),
        (State.UNWANTED, b"RCPT TO:<no@r.test>\r\n", RcptGiven),
        (State.ADDRESSED, b"RCPT TO:<no@r.test>\r\n", RcptGiven),
        (State.ADDRESSED, b"BDAT 11 LAST\r\nrefuse me\r\n", ContentReceived),
        (State.CHUNKED, b"BDAT 11 LAST\r\nrefuse me\r\n", ContentReceived),
    ],
)
def test_refusal_by_the_caller_advances_nothing(
    state: State, line: bytes, asked: type[Event]
) -> None:
    """What was refused did not happen, but for a message, which is over."""
    talk = talk_in(state)
    assert talk.codes(line)[-1][0] == "5"
    assert isinstance(talk.events[-1], asked)
    after = {
        State.SPOILT: State.READY,
        State.ENVELOPE: State.UNWANTED,
        State.CHUNKED: State.READY,
    }
    over = asked is ContentReceived
    assert talk.server.state is (State.READY if over else after.get(state, state))


def test_tables_are_complete() -> None:
    """Every state has its rows, every command its place where commands may stand."""
    assert set(MOVES) == set(AFTER_REFUSAL) == set(State)
    for state in ROWS:
        assert set(MOVES[state]) | ASIDE == set(COMMANDS)
    for state in set(State) - set(ROWS):
        assert len(MOVES[state]) <= 1
    for state, row in AFTER_REFUSAL.items():
        assert set(row) <= set(MOVES[state])


def test_every_state_can_be_reached() -> None:
    """No state is there for nothing; in two a session begins."""
    reached = {State.CONNECTED, State.SECURED}
    while True:
        ways = [(MOVES[one], AFTER_REFUSAL[one]) for one in reached]
        found = {to for pair in ways for row in pair for to in row.values()}
        if not (new := {to for to in found if isinstance(to, State)} - reached):
            break
        reached |= new
    assert reached == set(State)


def test_only_tls_leads_to_a_login_and_only_a_login_to_mail() -> None:
    """Read from the table: nothing in clear leads to AUTH, nothing before it on."""
    in_clear = {State.CONNECTED, State.CLEAR}
    before_login = {State.SECURED, State.INTRODUCED}
    for state in in_clear:
        reached = {one for one in MOVES[state].values() if isinstance(one, State)}
        assert reached <= {*in_clear, State.HANDSHAKE, State.CLOSED}
    for state in before_login:
        reached = {one for one in MOVES[state].values() if isinstance(one, State)}
        assert reached <= {*before_login, State.CHALLENGED, State.CLOSED}


def test_answers_are_asked_of_what_needs_a_decision() -> None:
    """Each event can be answered by yes and by no, temporary or for good."""
    assert all({2, 4, 5} <= severities for severities in ANSWERS.values())
    assert all(3 in ANSWERS[verb] for verb in (Verb.DATA, Verb.BDAT, Verb.LAST))


def test_transaction_is_open_from_mail_to_the_verdict() -> None:
    """A shutdown can wait for what is under way."""
    server = in_content().server
    seen = [(server.state, server.in_transaction)]
    server.receive_data(b".\r\n")
    event = server.next_event()
    assert not isinstance(event, Marker)
    seen.append((server.state, server.in_transaction))
    server.reply(decide(event))
    seen.append((server.state, server.in_transaction))
    assert seen == [
        (State.CONTENT, True),
        (State.WHOLE, True),
        (State.READY, False),
    ]
