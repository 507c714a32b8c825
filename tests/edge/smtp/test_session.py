"""What transcripts cannot show: what is stored, and what others change meanwhile."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.core.address import Address
from appliance.core.credential import SubAccount, hash_key
from appliance.core.event import EVERYTHING, EventType
from appliance.core.submission import RawContent
from appliance.core.suppression import Scope, SuppressionReason
from appliance.edge.assembly import Services, assemble
from appliance.edge.doors import submission_manners
from appliance.edge.smtp.session import Peer
from appliance.flow.directory import DirectoryKeeper
from appliance.flow.setup import open_data
from appliance.smtp.server import SmtpServer
from appliance.smtp.server_events import Marker
from appliance.store.claim import claim
from appliance.store.contents import load_contents
from appliance.store.credentials import revoke_credential
from appliance.store.database import Store
from appliance.store.errors import StoreUnavailable
from appliance.store.events import list_events
from appliance.store.suppressions import add_suppression
from appliance.store.transaction import Tx
from appliance.store.webhook_facts import load_page
from tests.fakes.house import NOW_NS, Premises, add_key, furnish, settings_of

MAIL = (
    b"From: <news@shop.example>\r\nX-Anypost-Tag: a\r\nBcc: eve@x.example\r\n\r\nHi\r\n"
)


class Client:
    """A client that talks to the protocol and the desk in memory."""

    def __init__(self, premises: Premises, store: Store, services: Services) -> None:
        settings = settings_of(premises.folder)
        self.premises = premises
        self.store = store
        self.services = services
        self._server = SmtpServer(submission_manners(settings), encrypted=True)
        peer = Peer("192.0.2.7", 4711, "submissions")
        self._session = services.desk.session(peer, self._server, lambda: "TLSv1.3")
        self._server.data_to_send()

    async def says(self, line: bytes) -> str:
        """The answer to one line, or to whatever bytes."""
        self._server.receive_data(line + b"\r\n")
        while not isinstance(event := self._server.next_event(), Marker):
            self._server.reply(await self._session.decide(event))
        return self._server.data_to_send().decode()

    async def logs_in(self, user: str, password: str) -> str:
        """The answer to a login."""
        await self.says(b"EHLO client.example")
        token = b64encode(f"\0{user}\0{password}".encode())
        return await self.says(b"AUTH PLAIN " + token)

    async def mails(self, *to: str, mail: bytes = MAIL) -> str:
        """The answer to a mail."""
        await self.says(b"MAIL FROM:<news@shop.example>")
        for one in to:
            await self.says(f"RCPT TO:<{one}>".encode())
        await self.says(b"DATA")
        return await self.says(mail + b".")

    async def stored(self) -> bytes:
        """The bytes of the mail that waits."""
        (copy,) = await self.store.write(claim, NOW_NS * 2, 10, 1_000_000)
        contents = await self.store.read(load_contents, [copy.content])
        content = contents[copy.content]
        assert isinstance(content, RawContent)
        return content.data


@asynccontextmanager
async def in_memory(folder: Path, *overrides: str) -> AsyncIterator[Client]:
    """Over a fresh data folder with a key."""

    def prepare(tx: Tx, owner: SubAccount) -> None:
        add_key(tx, owner, "ap_key", dialect="anypost")

    premises = await furnish(folder, prepare)
    async with open_data(premises.folder) as store:
        services = await assemble(
            store, premises.folder, settings_of(premises.folder, *overrides), "operator"
        )
        yield Client(premises, store, services)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """Introduced to nobody yet."""
    async with in_memory(tmp_path) as one:
        yield one


class Unreadable(DirectoryKeeper):
    """Knows what it knew; the disk gives nothing that is new."""

    async def catch_up(self) -> None:
        """Cannot."""
        raise StoreUnavailable("disk I/O error")


async def test_a_key_that_may_be_too_new_to_be_known_is_put_off(client: Client) -> None:
    """Postscale 5.4: 454, not 535, and no block; who is known logs in as ever."""
    desk = client.services.desk
    desk.directory = Unreadable(client.store, desk.directory.current)
    for _ in range(settings_of(client.premises.folder).smtp.login_failures):
        answer = await client.logs_in("anypost", "ap_newer")
        assert answer == "454 4.7.0 Temporary authentication failure\r\n"
    assert (await client.logs_in("anypost", "ap_key")).startswith("235 2.7.0 ")


async def test_what_is_stored_is_what_came_but_for_what_is_documented(
    client: Client,
) -> None:
    """Our Received in front, what is said to us alone gone, the missing added."""
    await client.logs_in("anypost", "ap_key")
    answer = await client.mails("bob@rcpt.example")
    message = answer.removeprefix("250 OK ids=email_").strip()
    header, _, body = (await client.stored()).partition(b"\r\n\r\n")
    assert body == b"Hi\r\n"
    lines = header.replace(b"\r\n\t", b" ").split(b"\r\n")
    names = [line.partition(b":")[0] for line in lines]
    assert names == [b"Received", b"From", b"Date", b"Message-ID"]
    received = lines[0].decode()
    assert "from client.example ([192.0.2.7])" in received
    assert "with ESMTPSA (TLSv1.3)" in received
    assert f"id {message.replace('-', '')}" in received
    assert "for <bob@rcpt.example>;" in received
    assert lines[3] == f"Message-ID: <{message}@shop.example>".encode()


async def test_the_events_say_what_was_attached(client: Client) -> None:
    """Each recipient's copy has its event, with the tags of the mail."""
    await client.logs_in("anypost", "ap_key")
    answer = await client.mails("bob@rcpt.example", "BOB@rcpt.example", "al@x.example")
    bob, again, al = answer.removeprefix("250 OK ids=").split()
    assert bob == again != al
    events = await client.store.read(list_events, EVERYTHING, limit=9)
    assert [(one.type, f"email_{one.about.delivery}") for one in events] == [
        (EventType.PROCESSED, al),
        (EventType.PROCESSED, bob),
    ]
    assert {one.about.dimensions.tags for one in events} == {("a",)}


async def test_who_is_told_of_the_mail_is_told_the_sender_s_own_fields(
    client: Client,
) -> None:
    """What stays in the mail of what begins with X-, decoded; nothing said to us."""
    await client.logs_in("anypost", "ap_key")
    own = b"X-Listmonk-Campaign: =?utf-8?q?caf=C3=A9?=\r\nX-Sendpost-TPSP-ID: 1\r\n"
    own += b"Message-ID: <1@shop.example>\r\n"
    await client.mails("bob@rcpt.example", mail=own + MAIL)
    (fact,) = (await client.store.read(load_page, 0, 9)).facts
    assert fact.mail.headers == {"x-listmonk-campaign": "caf\u00e9"}
    assert fact.mail.message_id == "1@shop.example"


async def test_a_key_is_good_as_soon_as_it_is_made(client: Client) -> None:
    """Its owner's first login is no failure, though another process made the key."""
    async with open_data(client.premises.folder) as other:
        owner = client.premises.made.sub_account
        await other.write(add_key, owner, "ap_new", dialect="anypost")
    assert (await client.logs_in("anypost", "ap_new")).startswith("235 ")


async def test_a_key_that_was_revoked_sends_no_further_mail(client: Client) -> None:
    """The session that it opened is asked to log in again."""
    await client.logs_in("anypost", "ap_key")
    await revoke(client)
    answer = await client.says(b"MAIL FROM:<news@shop.example>")
    assert answer == "530 5.7.0 Authentication required\r\n"


@pytest.mark.parametrize("said", [1, 2, 3])
async def test_a_key_that_was_revoked_ends_no_mail_that_it_began(
    client: Client, said: int
) -> None:
    """Else whoever stole it keeps a few transactions open, for later."""
    await client.logs_in("anypost", "ap_key")
    mail = [
        b"MAIL FROM:<news@shop.example>",
        b"RCPT TO:<bob@rcpt.example>",
        b"DATA",
        MAIL + b".",
    ]
    for line in mail[:said]:
        await client.says(line)
    await revoke(client)
    for line in mail[said:]:
        answer = await client.says(line)
        if not answer.startswith("250 2.1.5 "):
            break
    assert answer == "530 5.7.0 Authentication required\r\n"
    assert await client.store.read(list_events, EVERYTHING, limit=9) == []


async def revoke(client: Client) -> None:
    """The key that it logged in with is worth nothing from now on."""
    directory = client.services.desk.directory
    credential = directory.current.credentials[hash_key("ap_key")]
    await client.store.write(revoke_credential, credential.uuid, NOW_NS)
    await directory.refresh()


@pytest.mark.parametrize("by", [b"X-Postroom-Idempotency-Key", b"Message-ID"])
async def test_a_test_stands_for_no_real_mail(tmp_path: Path, by: bytes) -> None:
    """What went to nobody does not keep the same mail under a live key from going."""
    async with in_memory(tmp_path, "smtp.message_id_is_key=true") as test:
        owner, desk = test.premises.made.sub_account, test.services.desk
        for key in ("ps_test_key", "ps_live_key"):
            await test.store.write(add_key, owner, key, dialect="postscale")
        await desk.directory.refresh()
        mail = by + b": <1@shop.example>\r\n" + MAIL
        answers = []
        for key in ("ps_test_key", "ps_live_key", "ps_test_key", "ps_live_key"):
            client = Client(test.premises, test.store, test.services)
            await client.logs_in("postscale", key)
            answers.append(await client.mails("bob@rcpt.example", mail=mail))
        assert answers[:2] == answers[2:]
        assert answers[0] != answers[1]
        events = await test.store.read(list_events, EVERYTHING, limit=9)
        assert len(events) == 2


async def test_recipients_in_another_order_are_the_same_recipients(
    client: Client,
) -> None:
    """The answer has their ids in the order in which they were named this time."""
    await client.logs_in("anypost", "ap_key")
    mail = b"X-Postroom-Idempotency-Key: 1\r\n" + MAIL
    bob, al = "bob@rcpt.example", "al@x.example"
    first = await client.mails(bob, al, mail=mail)
    again = await client.mails(al, bob, al, mail=mail)
    ids = first.removeprefix("250 OK ids=").split()
    assert again.removeprefix("250 OK ids=").split() == [ids[1], ids[0], ids[1]]
    assert len(await client.store.read(list_events, EVERYTHING, limit=9)) == 2


async def test_an_odd_message_id_is_the_one_that_is_told(client: Client) -> None:
    """It stays in the mail, so no other may be found in webhooks."""
    await client.logs_in("anypost", "ap_key")
    await client.mails("bob@rcpt.example", mail=b"Message-ID: <a b@c>\r\n" + MAIL)
    (fact,) = (await client.store.read(load_page, 0, 9)).facts
    assert fact.mail.message_id == "a b@c"
    assert b"\r\nMessage-ID: <a b@c>\r\n" in await client.stored()


async def test_our_own_trouble_is_not_the_client_s_error(client: Client) -> None:
    """A client that waits for room is not thrown out for asking again."""
    await client.logs_in("anypost", "ap_key")
    full = client.services.room._floor
    object.__setattr__(full, "free_bytes", 1 << 62)
    for _ in range(30):
        await client.says(b"MAIL FROM:<news@shop.example>")
        await client.says(b"RCPT TO:<bob@rcpt.example>")
        assert (await client.says(b"DATA")).startswith("452 4.3.1 ")
        await client.says(b"RSET")


async def test_mail_that_nobody_wants_of_this_sender_is_refused_at_its_end(
    client: Client,
) -> None:
    """Spec 5.4 of this login's vendor: RCPT could not know; nothing is stored."""
    owner, directory = client.premises.made.sub_account, client.services.desk.directory
    await client.store.write(add_key, owner, "ps_live_key", dialect="postscale")
    for name in ("bob", "al"):
        await client.store.write(
            add_suppression,
            owner.id,
            Address(name, "rcpt.example"),
            reason=SuppressionReason.UNSUBSCRIBE,
            now_ns=NOW_NS,
            scope=Scope("", "shop.example"),
        )
    await directory.refresh()
    await client.logs_in("postscale", "ps_live_key")
    answer = await client.mails("bob@rcpt.example", "al@rcpt.example")
    assert answer == (
        "550 5.7.1 <bob@rcpt.example>: Recipient suppressed"
        " (unsubscribe, mail from shop.example)\r\n"
    )
    assert await client.store.read(list_events, EVERYTHING, limit=9) == []
    answer = await client.mails("bob@rcpt.example", "eve@rcpt.example")
    assert answer.startswith("250 2.0.0 Ok: queued as ")
    events = await client.store.read(list_events, EVERYTHING, limit=9)
    dropped = [one for one in events if one.type is EventType.DROPPED]
    assert [one.about.recipient for one in dropped] == ["bob@rcpt.example"]
