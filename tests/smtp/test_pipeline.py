from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.client import SmtpClient
from appliance.smtp.errors import LocalProtocolError, RemoteProtocolError
from appliance.smtp.exchange import Transaction
from appliance.smtp.grammar import Capabilities
from appliance.smtp.outcome import (
    Accepted,
    Broken,
    Fault,
    Obstacle,
    Outcome,
    RefusedRecipient,
    Rejected,
    Stage,
    Unsendable,
    Untouched,
)
from appliance.smtp.pipeline import Pipeline

ALL = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 1000")
NO_PIPELINING = ("8BITMIME", "SMTPUTF8", "SIZE 1000")


def mail(
    tag: int,
    *recipients: str,
    sender: str = "a@s.test",
    content: bytes = b"Subject: a\r\n\r\nb\r\n",
) -> Transaction[int]:
    """A small transaction."""
    return Transaction(tag, sender, recipients or ("b@r.test",), content)


class Line:
    """A pipeline on a session that is ready, and what passes over its wire."""

    def __init__(self, keywords: tuple[str, ...] = ALL, dots: int = 0) -> None:
        self.dots = dots  # how many `say_to` lets go
        self.client = SmtpClient()
        self.hear("220 hi")
        self.client.next_event()
        self.client.ehlo("me.test")
        self.sent()
        words = ["mx.test", *keywords]
        lines = [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]
        self.hear(*lines)
        self.client.next_event()
        self.pipeline: Pipeline[int] = Pipeline(self.client)

    def hear(self, *lines: str) -> None:
        """The server says these lines."""
        self.client.receive_data("".join(f"{line}\r\n" for line in lines).encode())

    def sent(self) -> str:
        """What is sent now."""
        return b"".join(iter(self.client.data_to_send, b"")).decode()

    def say_to(self, judge: "Judge") -> None:
        """Have the judge hear what is sent, with a dot if one may go."""
        judge.hear(self.sent())
        if self.pipeline.held and self.dots:
            self.dots -= 1
            judge.hear(self.ended())

    def ended(self) -> str:
        """What is sent now, and the final dot that was held back."""
        content = self.sent()
        self.pipeline.let_go()
        return content + self.sent()

    def after(self, *lines: str) -> dict[int, Outcome]:
        """What has been settled once the server said these lines."""
        self.hear(*lines)
        self.pipeline.advance()
        return self.settled()

    def room(self) -> bool:
        """True if another transaction may be offered now."""
        return self.pipeline.has_room

    def settled(self) -> dict[int, Outcome]:
        """Outcomes by tag."""
        return {t.tag: outcome for t, outcome in self.pipeline.take_settled()}


def outcome_after(*lines: str) -> Outcome:
    """What becomes of one transaction that is pipelined and answered so."""
    line = Line()
    line.pipeline.offer(mail(1))
    line.sent()
    settled = line.after(*lines[:3])
    line.ended()
    if lines[3:]:
        settled |= line.after(*lines[3:])
    return settled[1]


def test_next_envelope_rides_behind_the_content() -> None:
    """One write carries a final dot and the whole envelope of the next."""
    line = Line()
    line.pipeline.offer(mail(1))
    assert line.sent().splitlines() == [
        "MAIL FROM:<a@s.test> SIZE=17",
        "RCPT TO:<b@r.test>",
        "DATA",
    ]
    assert line.after("250 a", "250 b", "354 c") == {}
    assert line.sent() == "Subject: a\r\n\r\nb\r\n"
    assert not line.room()
    assert line.pipeline.held == mail(1)
    line.pipeline.let_go()
    assert line.room()
    line.pipeline.offer(mail(2))
    assert not line.room()
    assert [text.split(" ")[0] for text in line.sent().splitlines()] == [
        *(".", "MAIL", "RCPT", "DATA"),
    ]
    settled = line.after("250 2.0.0 queued as 1", "250 a")
    assert isinstance(settled[1], Accepted)
    assert settled[1].reply.text == "queued as 1"


def test_one_command_at_a_time_without_pipelining() -> None:
    """Lock-step: each answer lets the next command out."""
    line = Line(NO_PIPELINING)
    line.pipeline.offer(mail(1, "b@r.test", "c@r.test"))
    seen = []
    for answer in ("250 a", "250 b", "250 c", "354 d"):
        seen.append(line.sent().split(" ")[0].strip())
        assert line.after(answer) == {}
    assert seen == ["MAIL", "RCPT", "RCPT", "DATA"]
    assert not line.pipeline.has_room
    assert line.sent().endswith("b\r\n")
    assert line.ended() == ".\r\n"
    assert isinstance(line.after("250 ok")[1], Accepted)


@pytest.mark.parametrize("keywords", [ALL, NO_PIPELINING])
def test_transaction_refused_early_is_reset_before_the_next(
    keywords: tuple[str, ...],
) -> None:
    """What the server still remembers of a refused envelope cannot mix with ours."""
    line = Line(keywords)
    line.pipeline.offer(mail(1))
    line.sent()
    settled = line.after("550 5.7.1 not you")
    if keywords is ALL:
        settled = line.after("503 first MAIL", "503 first MAIL")
    assert isinstance(settled[1], Rejected)
    assert settled[1].stage is Stage.MAIL
    line.pipeline.offer(mail(2))
    assert line.sent().startswith("RSET\r\n")
    line.after("250 clean")
    assert ("MAIL" in line.sent()) is (keywords is NO_PIPELINING)


@pytest.mark.parametrize(
    ("lines", "stage", "code"),
    [
        (("450 x", "503 x", "503 x"), Stage.MAIL, 450),
        (("250 x", "550 x", "554 x"), Stage.RCPT, 550),
        (("250 x", "250 x", "451 x"), Stage.DATA, 451),
        (("250 x", "250 x", "354 x", "554 x"), Stage.DOT, 554),
        (("250 x", "250 x", "354 x", "421 x"), Stage.DOT, 421),
        (("250 x", "421 x"), Stage.RCPT, 421),
        # A server that says 354 with nobody left gets a lone dot, RFC 2920 3.1.
        (("250 x", "550 x", "354 x", "554 x"), Stage.RCPT, 550),
        (("250 x", "550 x", "354 x", "250 x"), Stage.RCPT, 550),
        (("550 x", "503 x", "421 x"), Stage.MAIL, 550),
    ],
)
def test_refusal_is_told_with_its_first_cause(
    lines: tuple[str, ...], stage: Stage, code: int
) -> None:
    """The answer that decided is reported, not those that only follow from it."""
    outcome = outcome_after(*lines)
    assert isinstance(outcome, Rejected)
    assert (outcome.stage, outcome.reply.code) == (stage, code)


def test_a_lone_dot_carries_no_content() -> None:
    """A refused message is not sent to a server that agrees to DATA all the same."""
    line = Line()
    line.pipeline.offer(mail(1))
    line.sent()
    line.after("250 x", "550 x", "354 x")
    assert line.sent() == ".\r\n"


def test_refused_recipients_are_named_beside_the_accepted() -> None:
    """Several recipients: the message goes to those that were taken."""
    line = Line()
    line.pipeline.offer(mail(1, "b@r.test", "c@r.test"))
    line.sent()
    line.after("250 x", "550 5.1.1 no", "250 x", "354 x")
    line.ended()
    outcome = line.after("250 took it")[1]
    assert isinstance(outcome, Accepted)
    [refused] = outcome.refused
    assert isinstance(refused, RefusedRecipient)
    assert (refused.recipient, refused.reply.code) == ("b@r.test", 550)


@pytest.mark.parametrize(
    ("transaction", "obstacle"),
    [
        (mail(1, content=b"a\r\n\r\n\xc3\xbc\r\n"), Obstacle.NEEDS_8BITMIME),
        (mail(1, content=b"a: \xc3\xbc\r\n\r\nb\r\n"), Obstacle.NEEDS_SMTPUTF8),
        (mail(1, "\u00fc@r.test"), Obstacle.NEEDS_SMTPUTF8),
        (mail(1, sender="\u00fc@s.test"), Obstacle.NEEDS_SMTPUTF8),
        (mail(1, content=b"a\r\n\r\n" + b"x" * 1_000), Obstacle.TOO_LARGE),
        (mail(1, content=b"a\nb\r\n"), Obstacle.LONE_LINE_END),
        (mail(1, content=b"a\r\n.\rb"), Obstacle.LONE_LINE_END),
        (mail(1, "b@r.test>\r\nRSET"), Obstacle.BAD_ADDRESS),
        (mail(1, "b@r.test", ""), Obstacle.BAD_ADDRESS),
        (Transaction(1, "a@s.test", (), b"a"), Obstacle.NO_RECIPIENT),
    ],
)
def test_what_cannot_be_sent_here_is_settled_without_a_byte(
    transaction: Transaction[int], obstacle: Obstacle
) -> None:
    """ATTACKS 1: refused for good, by ourselves, and the connection is as before."""
    line = Line(("PIPELINING", "SIZE 1000"))
    line.pipeline.offer(transaction)
    assert line.settled() == {1: Unsendable(obstacle)}
    assert line.sent() == ""
    assert line.pipeline.is_idle


def test_beyond_ascii_goes_where_it_is_offered() -> None:
    """With 8BITMIME and SMTPUTF8 nothing is refused."""
    line = Line()
    line.pipeline.offer(mail(1, "\u00fc@r.test", content=b"a: \xc3\xbc\r\n\r\n\xff"))
    assert line.sent().startswith(
        "MAIL FROM:<a@s.test> SIZE=12 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<\u00fc@r"
    )


def test_no_limit_is_no_limit() -> None:
    """SIZE without a number or with 0 does not make everything too large."""
    assert Capabilities(size=0).size == 0
    line = Line(("SIZE 0",))
    line.pipeline.offer(mail(1, content=b"x" * 5_000))
    assert line.sent().startswith("MAIL FROM:<a@s.test> SIZE=5002")


def used_line() -> Line:
    """A line over which a first message has gone; a second one rides."""
    line = Line()
    line.pipeline.offer(mail(1))
    line.sent()
    line.after("250 x", "250 x", "354 x")
    line.pipeline.let_go()
    line.pipeline.offer(mail(2))
    line.sent()
    return line


def test_too_many_messages_harms_none() -> None:
    """ATTACKS 23: 421 to a later MAIL hands the message back, untouched."""
    line = used_line()
    settled = line.after("250 took it", "421 4.7.0 too many messages")
    assert isinstance(settled[1], Accepted)
    assert settled[2] == Untouched()
    assert line.pipeline.farewell == "421 4.7.0 too many messages"
    assert not line.pipeline.has_room


def test_close_before_the_answer_to_the_dot_is_in_doubt() -> None:
    """ATTACKS 23: the first may have been taken; the one that rode was not."""
    line = used_line()
    line.client.receive_data(b"")
    line.pipeline.advance()
    settled = line.settled()
    assert isinstance(settled[1], Broken)
    assert settled[1].after_dot
    assert settled[2] == Untouched()


def test_first_transaction_of_a_connection_is_never_handed_back() -> None:
    """Otherwise a server that always hangs up would be called for ever."""
    line = Line()
    line.pipeline.offer(mail(1))
    line.sent()
    line.client.receive_data(b"")
    line.pipeline.advance()
    [outcome] = line.settled().values()
    assert outcome == Broken(
        Stage.MAIL, Fault.CLOSED, "the upstream closed the connection"
    )


def test_transaction_that_was_answered_and_broke_is_an_attempt() -> None:
    """Once its MAIL was answered it is not handed back but broken before the dot."""
    line = used_line()
    line.after("250 took it", "250 x")
    line.client.receive_data(b"")
    line.pipeline.advance()
    [outcome] = line.settled().values()
    assert isinstance(outcome, Broken)
    assert (outcome.stage, outcome.after_dot) == (Stage.RCPT, False)


def test_stopping_ourselves_is_no_attempt_unless_in_doubt() -> None:
    """A drain that is cut short blames the message for nothing."""
    line = used_line()
    line.pipeline.break_off(Fault.CANCELLED, "stop")
    settled = line.settled()
    assert settled[2] == Untouched()
    assert isinstance(settled[1], Broken)
    assert settled[1].after_dot


@pytest.mark.parametrize(("is_sent", "may_leave"), [(0, 0), (0, 1), (1, 0)])
def test_dot_that_never_left_is_not_in_doubt(is_sent: int, may_leave: int) -> None:
    """A message without its end is none: the server cannot have taken it."""
    line = Line()
    line.pipeline.offer(mail(1))
    line.sent()
    line.after("250 x", "250 x", "354 x")
    if is_sent:
        line.sent()
    if may_leave:
        line.pipeline.let_go()
    line.pipeline.break_off(Fault.CLOSED, "lost")
    [outcome] = line.settled().values()
    assert outcome == Broken(Stage.DOT, Fault.CLOSED, "lost", after_dot=False)
    assert line.pipeline.held is None


def test_a_dot_that_may_not_leave_costs_no_attempt() -> None:
    """That it could not be noted is our own trouble."""
    line = Line()
    line.pipeline.offer(mail(1))
    line.sent()
    line.after("250 x", "250 x", "354 x")
    line.sent()
    line.pipeline.break_off(Fault.CANCELLED, "not noted")
    assert line.settled() == {1: Untouched()}


def test_a_refusal_before_the_dot_is_the_message_s() -> None:
    """And the dot that was held back does not leave behind it."""
    line = Line()
    line.pipeline.offer(mail(1))
    line.sent()
    line.after("250 x", "250 x", "354 x")
    line.sent()
    outcome = line.after("552 5.3.4 too much")[1]
    assert isinstance(outcome, Rejected)
    assert (outcome.stage, outcome.reply.code) == (Stage.DOT, 552)
    assert line.pipeline.held is None
    assert line.ended() == ""


def test_offering_without_room_is_our_mistake() -> None:
    """At most one envelope rides."""
    line = Line()
    line.pipeline.offer(mail(1))
    with pytest.raises(LocalProtocolError):
        line.pipeline.offer(mail(2))


class Judge:
    """A server that answers as it was told and remembers what it took."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = deque(answers)
        self.ready: deque[str] = deque()
        self.dots: dict[str, int] = {}  # subject: the answer to its dot
        self._buffer = ""
        self._in_data = False

    def hear(self, data: str) -> None:
        """Read what the client sent and prepare the answers."""
        self._buffer += data
        while self._step():
            pass

    def _answer(self, *choices: int) -> int:
        picked = choices[(self.answers.popleft() if self.answers else 0) % len(choices)]
        self.ready.append(f"{picked} x")
        return picked

    def _step(self) -> bool:
        if self._in_data:
            content, dot, rest = ("\r\n" + self._buffer).partition("\r\n.\r\n")
            if dot:
                self._in_data, self._buffer = False, rest
                self.dots[content.strip()] = self._answer(250, 250, 250, 451, 554, 421)
            return bool(dot)
        line, end, rest = self._buffer.partition("\r\n")
        if end:
            self._buffer = rest
            self._command(line)
        return bool(end)

    def _command(self, line: str) -> None:
        if line == "DATA":
            self._in_data = self._answer(354, 354, 354, 554, 421) == 354
        elif line == "RSET":
            self._answer(250)
        else:
            self._answer(250, 250, 250, 250, 450, 550, 421, 354)


@given(
    st.lists(st.integers(0, 20), max_size=40),
    st.lists(st.integers(1, 3), min_size=1, max_size=6),
    st.tuples(st.integers(0, 40), st.integers(0, 6)),
    st.sampled_from(list(Fault)),
    st.sampled_from([ALL, NO_PIPELINING]),
)
def test_every_transaction_is_settled_once_and_truly(
    answers: list[int],
    sizes: list[int],
    ends_and_dots: tuple[int, int],
    fault: Fault,
    keywords: tuple[str, ...],
) -> None:
    """Whatever the server says and whenever it ends, the books agree with it.

    So they do when only the first few dots are let go.
    """
    ends, dots = ends_and_dots
    line, judge = Line(keywords, dots), Judge(answers)
    waiting = deque(
        mail(tag, *["b@r.test"] * size, content=b"%d" % tag)
        for tag, size in enumerate(sizes)
    )
    offered: list[int] = []
    settled: list[tuple[Transaction[int], Outcome]] = []
    heard = 0
    while heard < ends and not line.client.is_closed:
        while waiting and line.pipeline.has_room:
            offered.append(waiting[0].tag)
            line.pipeline.offer(waiting.popleft())
        line.say_to(judge)
        if not judge.ready:
            break
        heard += 1
        line.hear(judge.ready.popleft())
        try:
            line.pipeline.advance()
        except RemoteProtocolError:
            break
        settled += line.pipeline.take_settled()
    line.pipeline.break_off(fault, "over")
    settled += line.pipeline.take_settled()

    assert Counter(t.tag for t, _ in settled) == Counter(offered)
    for transaction, outcome in settled:
        dot = judge.dots.get(transaction.content.decode())
        if isinstance(outcome, Accepted):
            assert dot == 250
        elif isinstance(outcome, Broken) and outcome.after_dot:
            assert dot is not None
        elif isinstance(outcome, Rejected):
            assert dot in (None, outcome.reply.code)
        else:
            assert dot is None
    if settled and offered:
        assert settled[0][1] != Untouched() or fault is Fault.CANCELLED
