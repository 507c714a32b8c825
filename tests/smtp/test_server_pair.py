"""Our client against our server, in memory: what one says the other understands."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.smtp.client import Answered, Mechanism, SmtpClient
from appliance.smtp.client_moves import Verb
from appliance.smtp.exchange import Transaction
from appliance.smtp.grammar import Capabilities
from appliance.smtp.outcome import Accepted, Outcome, Rejected, Stage, Unsendable
from appliance.smtp.pipeline import Pipeline
from appliance.smtp.server_events import (
    ContentReceived,
    Login,
    MailGiven,
    RcptGiven,
    TlsAsked,
)
from appliance.smtp.server_moves import State
from tests.smtp.talk import MANNERS, Talk, chop

HELLO = b"Subject: a\r\n\r\nb\r\n"


class Pair:
    """A client and a server, and a wire that cuts what it carries."""

    def __init__(
        self, cuts: list[int] | None = None, *, encrypted: bool = True
    ) -> None:
        self.client = SmtpClient(encrypted=encrypted)
        self.talk = Talk(MANNERS, encrypted=encrypted)
        self.cuts = cuts or []
        self._to_client = self.talk.sent

    def carry(self) -> None:
        """Take all that is said to the other side, in pieces."""
        said = b"".join(iter(self.client.data_to_send, b""))
        before = len(self.talk.sent)
        self.talk.hear(*chop(said, self.cuts))
        self._to_client += self.talk.sent[before:]

    def answers(self) -> list[tuple[Verb, int]]:
        """What the client has heard since it spoke last."""
        self.carry()
        found = []
        for piece in chop(self._to_client, self.cuts):
            self.client.receive_data(piece)
            while isinstance(event := self.client.next_event(), Answered):
                found.append((event.verb, event.reply.code))
        self._to_client = b""
        return found

    def log_in(self, mechanism: Mechanism = Mechanism.PLAIN) -> list[tuple[Verb, int]]:
        """From the banner to a login."""
        found = self.answers()
        self.client.ehlo("me.test")
        found += self.answers()
        self.client.auth(mechanism, "user", "secret")
        while self.talk.server.state is not State.READY:
            found += self.answers()
        return found + self.answers()

    def send(self, *transactions: Transaction[int]) -> dict[int, Outcome]:
        """What becomes of these, sent through one pipeline."""
        pipeline: Pipeline[int] = Pipeline(self.client)
        waiting = deque(transactions)
        settled: dict[int, Outcome] = {}
        while waiting or not pipeline.is_idle:
            while waiting and pipeline.has_room:
                pipeline.offer(waiting.popleft())
            self.carry()
            for piece in chop(self._to_client, self.cuts):
                self.client.receive_data(piece)
                pipeline.advance()
            self._to_client = b""
            if pipeline.held is not None:
                self.carry()  # the content, while its end is held back
                pipeline.let_go()
            settled |= {one.tag: outcome for one, outcome in pipeline.take_settled()}
        return settled


def mail(
    tag: int, *recipients: str, sender: str = "a@s.test", content: bytes = HELLO
) -> Transaction[int]:
    """A small transaction."""
    return Transaction(tag, sender, recipients or ("b@r.test",), content)


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_login_through_starttls(mechanism: Mechanism) -> None:
    """Banner, EHLO, TLS, EHLO, AUTH: each side is where the other thinks it is."""
    pair = Pair(encrypted=False)
    assert pair.answers() == [(Verb.BANNER, 220)]
    pair.client.ehlo("me.test")
    pair.answers()
    assert pair.client.capabilities.starttls
    pair.client.starttls()
    assert pair.answers() == [(Verb.STARTTLS, 220)]
    assert pair.talk.new_events() == [TlsAsked()]
    pair.client.tls_established()
    pair.talk.server.tls_established()
    assert pair.log_in(mechanism) == [(Verb.EHLO, 250), (Verb.AUTH, 235)]
    assert pair.talk.server.authenticated
    pair.client.quit()
    assert pair.answers() == [(Verb.QUIT, 221)]
    assert pair.client.is_closed
    assert pair.talk.server.is_closed


def test_client_sees_what_the_server_offers() -> None:
    """Every extension that both know is used between them."""
    pair = Pair()
    pair.log_in()
    assert pair.client.capabilities == Capabilities(
        pipelining=True,
        eight_bit_mime=True,
        smtputf8=True,
        enhanced_status_codes=True,
        size=MANNERS.max_size,
        auth=frozenset({"PLAIN", "LOGIN"}),
    )


def test_helo_suffices_to_be_served() -> None:
    """A client that knows no EHLO is told nothing and may go on."""
    pair = Pair()
    pair.answers()
    pair.client.helo("me.test")
    assert pair.answers() == [(Verb.HELO, 250)]
    assert pair.client.capabilities == Capabilities()


def test_each_refusal_is_told_to_the_transaction_it_is_about() -> None:
    """Refused senders, recipients and messages between others that pass."""
    pair = Pair()
    pair.log_in()
    outcomes = pair.send(
        mail(1),
        mail(2, sender="no@s.test"),
        mail(3, "no@r.test"),
        mail(4, "no@r.test", "b@r.test"),
        mail(5, content=b"refuse me\r\n"),
        mail(6, "a@r.test", "b@r.test", "c@r.test", "d@r.test"),
        mail(7, content=b"x" * 1_001),
        mail(8, "\u00fc@r.test", content="\u00fc".encode()),
        mail(9),
    )
    stages = {tag: one.stage for tag, one in outcomes.items() if type(one) is Rejected}
    assert stages == {2: Stage.MAIL, 3: Stage.RCPT, 5: Stage.DOT}
    refused = {
        tag: one.refused for tag, one in outcomes.items() if type(one) is Accepted
    }
    assert {tag: len(some) for tag, some in refused.items()} == {
        1: 0,
        4: 1,
        6: 1,
        8: 0,
        9: 0,
    }
    assert refused[6][0].reply.code == 452
    assert isinstance(outcomes[7], Unsendable)
    assert len(pair.talk.contents()) == 6


ADDRESS = st.one_of(
    st.from_regex(r"[a-z0-9+_.]{1,20}@[a-z]{1,9}\.test", fullmatch=True),
    st.sampled_from(['"a b"@r.test', r'"a\"b>"@r.test', "\u00fc@b\u00fccher.test"]),
)
LINES = st.lists(
    st.binary(max_size=20).map(lambda line: line.translate(None, b"\0\r\n") + b"\r\n")
    | st.sampled_from([b".\r\n", b"..\r\n", b"\r\n", b".QUIT\r\n"]),
    max_size=12,
).map(b"".join)
TRANSACTIONS = st.lists(
    st.builds(
        Transaction,
        st.just(0),
        st.just("") | ADDRESS,
        st.lists(ADDRESS, min_size=1, max_size=3, unique=True).map(tuple),
        LINES,
    ),
    max_size=5,
)


@given(TRANSACTIONS, st.lists(st.integers(0, 3_000), max_size=20))
def test_what_is_sent_is_what_arrives(
    transactions: list[Transaction[int]], cuts: list[int]
) -> None:
    """Addresses and bytes arrive as they were given, however the wire cut them."""
    pair = Pair(cuts)
    pair.log_in()
    pair.talk.events.clear()
    taken = [one for one in transactions if not one.sender.startswith("no")]
    taken = [one for one in taken if not any(to[:2] == "no" for to in one.recipients)]
    numbered = [
        Transaction(tag, one.sender, one.recipients, one.content)
        for tag, one in enumerate(taken)
    ]
    outcomes = pair.send(*numbered)
    assert all(isinstance(one, Accepted) for one in outcomes.values())
    events = pair.talk.events
    assert [one.sender for one in events if isinstance(one, MailGiven)] == [
        one.sender for one in numbered
    ]
    assert [one.recipient for one in events if isinstance(one, RcptGiven)] == [
        to for one in numbered for to in one.recipients
    ]
    assert [one.data for one in events if isinstance(one, ContentReceived)] == [
        one.content for one in numbered
    ]


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(Mechanism))
def test_any_credential_arrives(
    username: str, password: str, mechanism: Mechanism
) -> None:
    """Whatever can be a password is the same at the other end, or is not sent."""
    pair = Pair()
    pair.answers()
    pair.client.ehlo("me.test")
    pair.answers()
    try:
        text = f"{username}{password}".encode()
    except UnicodeEncodeError:
        return
    if b"\0" in text:
        return
    pair.client.auth(mechanism, username, password)
    for _ in range(3):
        pair.answers()
    assert pair.talk.events == [Login(mechanism, username, password)]
