from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.server import Manners
from appliance.smtp.server_events import Event
from appliance.smtp.server_moves import State
from tests.smtp.talk import ENVELOPE, MANNERS, PLAIN, Talk, chop

# Small enough for a dialogue to run into each of them.
TIGHT = replace(
    MANNERS,
    max_size=60,
    max_recipients=2,
    max_messages=4,
    max_commands=25,
    max_errors=4,
)
# Dialogues that get somewhere, and those that are ended early.
ALL_MANNERS = st.sampled_from(
    [replace(TIGHT, max_errors=50, max_commands=500), TIGHT]
).flatmap(
    lambda one: st.booleans().map(lambda yes: replace(one, normalise_line_ends=yes))
)

COMMANDS = st.sampled_from(
    [
        b"EHLO me.test\r\n",
        b"HELO me.test\r\n",
        b"AUTH PLAIN " + PLAIN + b"\r\n",
        b"AUTH PLAIN AGEAYg==\r\n",
        b"AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n",
        b"AUTH LOGIN\r\n*\r\n",
        b"AUTH PLAIN\r\n!\r\n",
        b"MAIL FROM:<a@s.test>\r\n",
        b"MAIL FROM:<no@s.test>\r\n",
        b"MAIL FROM:<a@s.test> SIZE=61\r\n",
        "MAIL FROM:<\u00fc@s.test> SMTPUTF8\r\n".encode(),
        b"RCPT TO:<b@r.test>\r\n",
        b"RCPT TO:<no@r.test>\r\n",
        b"RCPT TO:<>\r\n",
        ENVELOPE,
        b"RSET\r\n",
        b"NOOP\r\n",
        b"VRFY x\r\n",
        b"QUIT\r\n",
        b"WHAT\r\n",
    ]
)
TEXT = st.lists(
    st.sampled_from([b"a", b".", b"\r\n", b"\r", b"\n", b"\0", b"\r\n..", b"x" * 25]),
    max_size=8,
).map(b"".join)
DATA = TEXT.map(lambda text: b"DATA\r\n" + text + b"\r\n.\r\n")
CHUNK = st.builds(
    lambda text, off, last: b"BDAT %d%b\r\n%b" % (max(len(text) + off, 0), last, text),
    TEXT,
    st.sampled_from([0, 0, 0, 0, 1, -1, 7]),
    st.sampled_from([b"", b" LAST"]),
)
GARBAGE = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"BDAT\r\n",
            b"BDAT 99999999999999999999\r\n",
            b"NOOP\n",
            b"\x16\x03\x01\r\n",
            b"x" * 2_046 + b"\r\n",
            b"x" * 2_047 + b"\r\n",
            b"AUTH PLAIN " + b"A" * 12_275 + b"\r\n",
            b"AUTH PLAIN " + b"A" * 12_276 + b"\r\n",
        ]
    ),
)
MAIL = st.one_of(DATA, CHUNK).map(lambda content: ENVELOPE + content)
PIECES = st.lists(st.one_of(COMMANDS, COMMANDS, DATA, CHUNK, MAIL, MAIL, GARBAGE))

LOGIN = b"EHLO me.test\r\nAUTH PLAIN " + PLAIN + b"\r\n"


@dataclass(frozen=True)
class Dialogue:
    """What a client says in clear, and behind each handshake that comes of it."""

    encrypted: bool
    stretches: list[bytes]


def stretch(begin: bytes, end: bytes) -> st.SearchStrategy[bytes]:
    """Some pieces between a beginning and an end."""
    return PIECES.map(lambda pieces: begin + b"".join(pieces) + end)


IN_CLEAR = st.one_of(
    # Bytes behind STARTTLS are there in some, and must never be heard.
    st.just(b"EHLO me.test\r\nSTARTTLS\r\n"),
    stretch(b"EHLO me.test\r\nSTARTTLS\r\n", b""),
    stretch(b"", b"EHLO me.test\r\nSTARTTLS\r\n"),
)
UNDER_TLS = stretch(LOGIN, b"")
DIALOGUES = st.one_of(
    st.builds(lambda one: Dialogue(True, [one]), UNDER_TLS),
    st.builds(
        lambda *both: Dialogue(False, [*both]),
        IN_CLEAR,
        stretch(b"", b"") | UNDER_TLS,
    ),
)
CUTS = st.lists(st.integers(0, 30_000), max_size=30)


def outcome(
    dialogue: Dialogue, manners: Manners, cuts: list[int], *, singly: bool = False
) -> tuple[list[Event], bytes, State]:
    """All that becomes of a dialogue that is cut at these places."""
    talk = Talk(manners, encrypted=dialogue.encrypted)
    for said in dialogue.stretches:
        pieces = [bytes([one]) for one in said] if singly else chop(said, cuts)
        talk.hear(*pieces)
        if talk.server.state is State.HANDSHAKE:
            talk.server.tls_established()
    talk.hear(b"")
    assert talk.server.is_closed
    return talk.events, talk.sent, talk.server.state


@given(DIALOGUES, ALL_MANNERS, CUTS)
def test_any_chopping_gives_the_same_events_and_replies(
    dialogue: Dialogue, manners: Manners, cuts: list[int]
) -> None:
    """ATTACKS 1, ATTACKS 2: nothing depends on how the network cut the stream."""
    whole = outcome(dialogue, manners, [])
    assert outcome(dialogue, manners, cuts) == whole
    if sum(map(len, dialogue.stretches)) < 2_000:
        assert outcome(dialogue, manners, [], singly=True) == whole


@given(st.lists(st.binary(max_size=100) | COMMANDS), st.booleans(), ALL_MANNERS)
def test_any_bytes_get_whole_replies_and_raise_nothing(
    pieces: list[bytes],
    encrypted: bool,  # noqa: FBT001 - drawn
    manners: Manners,
) -> None:
    """Whatever is sent is answered by replies that our own client can read."""
    talk = Talk(manners, encrypted=encrypted)
    for piece in filter(None, pieces):
        talk.hear(piece)
        if talk.server.state is State.HANDSHAKE:
            break
    assert talk.most_held < 64 * 1024
