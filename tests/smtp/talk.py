"""A server protocol without a socket, and a caller that decides by rule."""

import base64
import itertools
from collections.abc import Callable, Iterable

from appliance.smtp.reply import EnhancedCode, Reply, ReplyReader
from appliance.smtp.server import Manners, SmtpServer
from appliance.smtp.server_events import (
    ContentAsked,
    ContentReceived,
    Event,
    Login,
    MailGiven,
    Marker,
    RcptGiven,
    TlsAsked,
)

MANNERS = Manners(
    host="mx.test",
    max_size=1_000,
    max_recipients=3,
    max_messages=50,
    max_commands=10_000,
    max_errors=20,
    starttls=True,
)
PLAIN = base64.b64encode(b"\0user\0secret")
ENVELOPE = b"MAIL FROM:<a@s.test>\r\nRCPT TO:<b@r.test>\r\n"


def decide(event: Event) -> Reply:
    """The answer to an event, by what stands in it.

    Passwords but "secret" and addresses that begin with "no" are refused; so is
    content that asks for it.
    """
    match event:
        case Login(password=password):
            good = password == "secret"
            return _reply(235, "in") if good else _reply(535, "not you", 7, 8)
        case MailGiven(sender=address) | RcptGiven(recipient=address):
            bad = address.startswith("no")
            return _reply(550, "not this", 7, 1) if bad else _reply(250, "fine", 1, 0)
        case ContentAsked():
            return Reply(354, ("go on",))
        case ContentReceived(data):
            bad = b"refuse me" in data
            return _reply(554, "not that", 6, 0) if bad else _reply(250, "taken")
        case _:
            raise AssertionError(event)


def _reply(code: int, text: str, subject: int = 0, detail: int = 0) -> Reply:
    return Reply(code, (text,), EnhancedCode(code // 100, subject, detail))


def read_replies(data: bytes) -> list[str]:
    """All replies in these bytes, which must be nothing but whole replies."""
    reader = ReplyReader()
    reader.feed(data)
    found = list(map(str, iter(reader.next_reply, None)))
    assert reader.waiting == 0
    return found


def chop(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data in pieces, cut at these places; no piece is empty."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if a < b]


class Talk:
    """One session, its events and what was sent in it."""

    def __init__(
        self,
        manners: Manners = MANNERS,
        *,
        encrypted: bool = True,
        decide: Callable[[Event], Reply] = decide,
    ) -> None:
        self.server = SmtpServer(manners, encrypted=encrypted)
        self.decide = decide
        self.events: list[Event] = []
        self.sent = self.server.data_to_send()
        self.most_held = 0

    def hear(self, *pieces: bytes) -> list[str]:
        """The replies to these bytes, each event answered as it comes."""
        sent = b""
        for piece in pieces:
            self.server.receive_data(piece)
            self.most_held = max(self.most_held, self.server.held_bytes)
            self._answer()
            self.most_held = max(self.most_held, self.server.held_bytes)
            sent += self.server.data_to_send()
        self.sent += sent
        return read_replies(sent)

    def _answer(self) -> None:
        while not isinstance(event := self.server.next_event(), Marker):
            self.events.append(event)
            if isinstance(event, TlsAsked):
                return
            self.server.reply(self.decide(event))

    def codes(self, *pieces: bytes) -> list[str]:
        """The code and enhanced code of each reply to these bytes."""
        return [_codes(reply) for reply in self.hear(*pieces)]

    def new_events(self) -> list[Event]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def contents(self) -> list[bytes]:
        """The messages that came."""
        return [one.data for one in self.events if isinstance(one, ContentReceived)]


def _codes(reply: str) -> str:
    code, enhanced = [*reply.split(" "), ""][:2]
    return f"{code} {enhanced}" if enhanced.count(".") == 2 else code


def ready(
    manners: Manners = MANNERS, decide: Callable[[Event], Reply] = decide
) -> Talk:
    """A session under TLS that is logged in."""
    talk = Talk(manners, decide=decide)
    talk.hear(b"EHLO me.test\r\nAUTH PLAIN " + PLAIN + b"\r\n")
    assert talk.server.authenticated
    talk.events.clear()
    return talk


def in_content(manners: Manners = MANNERS) -> Talk:
    """A session that has been told to send its message."""
    talk = ready(manners)
    assert talk.codes(ENVELOPE + b"DATA\r\n")[-1] == "354"
    talk.events.clear()
    return talk
