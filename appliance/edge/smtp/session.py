"""The decisions of a submission session: who, from whom, to whom, and is it taken.

Joins the protocol, which knows the order of things, the login's dialect, which
knows rules and words, and intake, which knows what may be sent. Sockets and
deadlines are the listener's. The 250 is given when the mail is on disk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from appliance import log as logs
from appliance.core.address import Address
from appliance.core.credential import Credential
from appliance.core.ids import uuid7
from appliance.core.refusal import Reason, Refusal
from appliance.core.submission import Idempotency, Submission
from appliance.core.suppression import Mail
from appliance.dialects.addresses import read_address
from appliance.dialects.login import find_dialect
from appliance.dialects.names import is_test_key
from appliance.dialects.submission import Moment, SubmissionDialect
from appliance.edge.smtp.reading import (
    Circumstances,
    Letter,
    idempotency_of,
    read_letter,
    submission_of,
)
from appliance.edge.smtp.returns import ReturnSession
from appliance.edge.smtp.words import BLOCKED, GO_AHEAD, RECIPIENT_OK, SENDER_OK
from appliance.flow.intake import Accepted
from appliance.flow.route import Origin, Question
from appliance.smtp.reply import Reply
from appliance.smtp.server import SmtpServer
from appliance.smtp.server_events import (
    ContentAsked,
    ContentReceived,
    Event,
    Login,
    MailGiven,
    RcptGiven,
)
from appliance.store.errors import StoreUnavailable
from appliance.store.pools import SANDBOX_POOL

if TYPE_CHECKING:
    from appliance.edge.smtp.desk import Desk

log = logs.get("postroom.smtp")

Cipher: TypeAlias = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, and by which door it came."""

    address: str
    port: int
    door: str


@dataclass(frozen=True, slots=True)
class _Login:
    """Who has logged in, and what follows from it for all of its mail."""

    dialect: SubmissionDialect
    credential: Credential
    origin: Origin


class Session:
    """What one client has said so far; each event gets its answer here."""

    def __init__(
        self, desk: "Desk", peer: Peer, server: SmtpServer, cipher: Cipher
    ) -> None:
        self._desk = desk
        self._cipher = cipher
        self._peer = peer
        self._server = server
        self._login: _Login | None = None
        size = desk.sizes.returned_bytes
        self._stranger = ReturnSession(desk.returns, server, size)
        self._pool = ""
        self._sender: Address | None = None
        self._size_bytes = 0
        self._recipients: list[Address] = []

    async def decide(self, event: Event) -> Reply:
        """The answer to one event; what a peer did never raises."""
        match event:
            case Login():
                return await self._log_in(event)
            case _ if self._login is None:  # the protocol knows at which doors
                return await self._stranger.decide(event)
            case MailGiven():
                return self._take_sender(event)
            case RcptGiven(recipient):
                return self._take_recipient(recipient)
            case ContentAsked():
                return self._let_come()
            case ContentReceived(data):
                return await self._take_content(data)
            case _:
                raise RuntimeError(f"{event} is not for the desk")

    # --- who ------------------------------------------------------------------

    async def _log_in(self, given: Login) -> Reply:
        desk, address = self._desk, self._peer.address
        if desk.guard.blocked_until_ns(address):
            return BLOCKED
        dialect = find_dialect(given.username)
        sure = await self._catch_up()
        credential = desk.keys.log_in(
            dialect.name, given.username, given.password, ip_address(address)
        )
        if credential is None or credential.sub_account is None:
            return await self._turn_away(dialect, sure=sure)
        desk.guard.succeeded(address)
        self._admit(dialect, credential, Origin(credential.sub_account, credential))
        if is_test_key(given.password):
            self._pool = SANDBOX_POOL
        return dialect.logged_in()

    async def _catch_up(self) -> bool:
        """True if what another process wrote a moment ago counts already."""
        try:
            await self._desk.directory.catch_up()
        except StoreUnavailable as error:
            log.warning("smtp.store_unavailable", error=error)
            return False
        return True

    async def _turn_away(self, dialect: SubmissionDialect, *, sure: bool) -> Reply:
        """The answer to a login that is not known; if we are not ``sure``, for now.

        A key may be newer than all that could be read, and nobody is blocked for that.
        """
        address = self._peer.address
        log.warning("smtp.login_refused", peer=address, door=self._peer.door, sure=sure)
        if not sure:
            return dialect.refuse(Refusal(Reason.STORE_UNAVAILABLE), Moment.LOGIN)
        await self._desk.guard.failed(address)
        return dialect.refuse(Refusal(Reason.LOGIN_REFUSED), Moment.LOGIN)

    def _admit(
        self, dialect: SubmissionDialect, credential: Credential, origin: Origin
    ) -> None:
        sizes, rules = self._desk.sizes, dialect.rules
        self._login = _Login(dialect, credential, origin)
        self._server.max_size = rules.max_bytes or sizes.message_bytes
        self._server.too_big = dialect.refuse(Refusal(Reason.TOO_LARGE), Moment.END)
        self._server.max_recipients = min(rules.max_recipients, sizes.recipients)

    # --- from whom, to whom ---------------------------------------------------

    def _take_sender(self, given: MailGiven) -> Reply:
        login = self._logged_in()
        self._sender, self._recipients = read_address(given.sender), []
        self._size_bytes = given.size or 0
        refusal = self._mind_sender(login, given.sender)
        if refusal is not None:
            return login.dialect.refuse(refusal, Moment.MAIL)
        return SENDER_OK

    def _mind_sender(self, login: _Login, text: str) -> Refusal | None:
        """What is wrong with this sender of the envelope, or by now with the key."""
        revoked = self._mind_key(login)
        if revoked is not None:
            return revoked
        if not login.dialect.rules.checks_envelope:
            return None
        if not text:
            return Refusal(Reason.NULL_SENDER, "envelope", "the null sender")
        refusal = self._mind(login, self._sender)
        if refusal is None:
            return None
        return replace(refusal, field="envelope")

    def _mind_key(self, login: _Login) -> Refusal | None:
        """A key may be revoked at any moment: nothing more comes in by it."""
        if self._desk.keys.is_good(login.credential):
            return None
        return Refusal(Reason.BAD_KEY)

    def _mind(self, login: _Login, sender: Address | None) -> Refusal | None:
        question = Question(login.origin, sender, self._pool)
        return self._desk.intake.refuse(question)

    def _take_recipient(self, text: str) -> Reply:
        login = self._logged_in()
        address = read_address(text)
        refusal = self._mind_recipient(login, text, address)
        if refusal is not None or address is None:
            assert refusal is not None
            return login.dialect.refuse(refusal, Moment.RCPT)
        self._recipients.append(address)
        return RECIPIENT_OK

    def _mind_recipient(
        self, login: _Login, text: str, address: Address | None
    ) -> Refusal | None:
        if address is None:
            if text.endswith("]"):
                detail = f"Address literals are not taken: {text}"
                return Refusal(Reason.ADDRESS_UNSUPPORTED, "to", detail)
            return Refusal(Reason.RECIPIENT_INVALID, "to", f"No address: {text}")
        if self._desk.is_own_return_path(address):
            detail = f"{address} is where bounces arrive"
            return Refusal(Reason.MAIL_LOOP, "to", detail)
        if login.dialect.rules.refuses_suppressed:
            return self._desk.suppression(login.origin.sub_account, address)
        return None

    # --- what -----------------------------------------------------------------

    def _let_come(self) -> Reply:
        """A full disk is told before the content, not after 50 MB of it."""
        login = self._logged_in()
        refusal = self._mind_key(login) or self._desk.intake.no_room(self._size_bytes)
        if refusal is not None:
            return login.dialect.refuse(refusal, Moment.DATA)
        return GO_AHEAD

    async def _take_content(self, data: bytes) -> Reply:
        login = self._logged_in()
        recipients = self._distinct()
        verdict = await self._judge(login, data, tuple(recipients.values()))
        if isinstance(verdict, Refusal):
            return login.dialect.refuse(verdict, Moment.END)
        in_order: Sequence[UUID] = verdict.deliveries
        if len(self._recipients) > 1:
            ids = dict(zip(recipients, verdict.deliveries, strict=True))
            in_order = [ids[one.key] for one in self._recipients]
        return login.dialect.accepted(verdict.message, in_order)

    async def _judge(
        self, login: _Login, data: bytes, recipients: Sequence[Address]
    ) -> Accepted | Refusal:
        """The verdict on a whole mail; accepted means that it is on disk."""
        revoked = self._mind_key(login)
        if revoked is not None:
            return revoked
        habits = self._desk.habits
        letter = read_letter(data, login.dialect, habits)
        if isinstance(letter, Refusal):
            return letter
        senders = letter.incoming.senders
        for sender in senders if len(senders) > 1 else ():
            refusal = self._mind(login, sender.address)  # of one alone intake does it
            if refusal is not None:
                return refusal
        domain = senders[0].address.domain
        refusal = self._mind_recipients(login, letter, domain)
        if refusal is not None:
            return refusal
        around = self._circumstances(recipients)
        idempotency = idempotency_of(letter, around, habits)
        if isinstance(idempotency, Refusal):
            return idempotency
        tracking = self._desk.tracking(login.origin.sub_account, domain)
        submission = submission_of(letter, login.dialect, around, habits, tracking)
        return await self._hand_in(login.origin, submission, idempotency)

    def _mind_recipients(
        self, login: _Login, letter: Letter, domain: str
    ) -> Refusal | None:
        """The first one's refusal if all of them want none of this mail.

        Where RCPT refuses who is suppressed, a mail that goes to nobody is not taken
        either. Of a mail that goes to some, intake drops the others' copies.
        """
        if not login.dialect.rules.refuses_suppressed:
            return None
        mail, owner = Mail(letter.dimensions.topic, domain), login.origin.sub_account
        everybody = self._recipients
        refusals = [self._desk.suppression(owner, one, mail) for one in everybody]
        return refusals[0] if all(refusals) else None

    async def _hand_in(
        self, origin: Origin, submission: Submission, idempotency: Idempotency | None
    ) -> Accepted | Refusal:
        try:
            (verdict,) = await self._desk.intake.take(origin, [submission], idempotency)
        except StoreUnavailable as error:
            log.warning("smtp.store_unavailable", error=error)
            return Refusal(Reason.STORE_UNAVAILABLE)
        return verdict

    def _circumstances(self, recipients: Sequence[Address]) -> Circumstances:
        return Circumstances(
            client_name=self._server.hello,
            client_ip=self._peer.address,
            tls=self._cipher(),
            protocol="UTF8SMTPSA" if self._server.utf8 else "ESMTPSA",
            sender=self._sender,
            recipients=recipients,
            pool=self._pool,
            now_ns=self._desk.intake.now_ns(),
            id=uuid7(),
        )

    def _distinct(self) -> dict[str, Address]:
        """Each recipient once; two spellings of one mailbox are one.

        Sorted, so that the same mail is the same in whatever order they are named.
        """
        if len(self._recipients) == 1:
            return {one.key: one for one in self._recipients}
        found: dict[str, Address] = {}
        for one in self._recipients:
            found.setdefault(one.key, one)
        return dict(sorted(found.items()))

    def _logged_in(self) -> _Login:
        assert self._login is not None, "the protocol lets nothing pass before AUTH"
        return self._login
