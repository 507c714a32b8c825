"""A real store in a temporary folder, with a tenant, a domain and a pool in it."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from appliance.core.address import Address, Mailbox
from appliance.core.credential import (
    Credential,
    Scope,
    SubAccount,
    hash_key,
    hint_of,
    make_key,
)
from appliance.core.delivery import Copy, NewDelivery, Role, Settlement, State
from appliance.core.domain import Proof, Purpose, Record, SenderDomain
from appliance.core.event import About, EventType, NewEvent
from appliance.core.ids import uuid7
from appliance.core.message import NewMessage, Request
from appliance.core.pool import Pool, by_shares
from appliance.core.provider import Provider, Security
from appliance.core.submission import (
    AnyContent,
    Content,
    Dimensions,
    Recipient,
    Submission,
)
from appliance.store.accounts import create_account
from appliance.store.credentials import NewCredential, add_credential
from appliance.store.database import Store, open_store
from appliance.store.directory import load_directory
from appliance.store.domains import add_domain
from appliance.store.messages import accept
from appliance.store.pools import add_pool, set_default_pool
from appliance.store.providers import NewProvider, add_provider
from appliance.store.transaction import Tx
from tests.fakes.keys import dkim_key

SEALING_KEY = bytes(range(32))
NOW_NS = 1_700_000_000_000_000_000
SENDER = Mailbox(Address("news", "sender.example"), "News")
CONTENT = Content(SENDER, "Hello", text="Hi there")


@dataclass(frozen=True, slots=True)
class Seeded:
    """What ``seed`` put into the store; ``key`` is the credential's text."""

    sub_account: SubAccount
    credential: Credential
    key: str
    domain: SenderDomain
    provider: Provider
    pool: Pool

    def message(
        self,
        *to: str,
        content: AnyContent = CONTENT,
        dropped: str = "",
        accepted_ns: int = NOW_NS,
        topic: str = "",
    ) -> NewMessage:
        """A checked submission to ``to``, the others in copy."""
        recipients = [recipient(one) for one in to or ("rcpt@other.example",)]
        return NewMessage(
            submission=Submission(
                content,
                (recipients[0],),
                cc=tuple(recipients[1:]),
                dimensions=Dimensions(topic=topic),
            ),
            sub_account=self.sub_account.id,
            credential=self.credential.id,
            domain=self.domain.id,
            pool=self.pool.id,
            pool_name=self.pool.name,
            accepted_ns=accepted_ns,
            deliveries=tuple(
                NewDelivery(uuid7(), Role.CC if number else Role.TO, one, dropped)
                for number, one in enumerate(recipients)
            ),
        )


def recipient(text: str) -> Recipient:
    """The recipient with that address and no name."""
    local, _, domain = text.rpartition("@")
    return Recipient(Mailbox(Address(local, domain)))


def sent(copy: Copy) -> Settlement:
    """What the relay says when the upstream took ``copy``."""
    about = About(
        copy.sub_account,
        copy.message_uuid,
        copy.uuid,
        copy.sender,
        str(copy.recipient),
        "main",
        "upstream",
    )
    return Settlement(
        copy.id,
        State.SENT,
        copy.attempts + 1,
        code=250,
        text="2.0.0 Ok",
        event=NewEvent(EventType.SENT, NOW_NS + 7, about, {"code": 250}),
    )


@asynccontextmanager
async def open_temp_store(folder: Path) -> AsyncIterator[Store]:
    """The store of ``folder``; opening it again gives the same rows."""
    file = folder / "postroom.db"
    if not _laid(file):  # the tables take three times as long as the opening
        async with open_store(file, sealing_key=SEALING_KEY):
            pass
        _keep(file)
    async with open_store(file, sealing_key=SEALING_KEY) as store:
        yield store


_empty: list[bytes] = []  # what the first one of this process was before any row


def _laid(file: Path) -> bool:
    """Whether the file is there, or has been laid there without a row."""
    if _empty and not file.exists():
        file.write_bytes(_empty[0])
    return file.exists()


def _keep(file: Path) -> None:
    _empty.append(file.read_bytes())


async def seed(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int = 2525,
    dialect: str = "smtp",
    verified: bool = True,
) -> Seeded:
    """A store that is ready to take mail and relay it to ``host:port``."""
    return await store.write(
        seed_in, host=host, port=port, dialect=dialect, verified=verified
    )


def seed_in(
    tx: Tx,
    *,
    host: str = "127.0.0.1",
    port: int = 2525,
    dialect: str = "smtp",
    verified: bool = True,
) -> Seeded:
    """The same inside a transaction."""
    sub_account = create_account(tx, "acme", "admin", "scrypt$hash", NOW_NS)
    assert sub_account is not None
    key = make_key()
    credential = add_credential(tx, _new_credential(sub_account, key, dialect))
    assert credential is not None
    proof = Proof.OPERATOR if verified else Proof.NONE
    domain = add_domain(
        tx,
        sub_account.id,
        SENDER.address.domain,
        keys=[dkim_key()],
        records=_records(SENDER.address.domain, proof),
        now_ns=NOW_NS,
    )
    provider = add_provider(
        tx, NewProvider("upstream", host=host, port=port, security=Security.NONE)
    )
    assert domain is not None
    assert provider is not None
    pool = add_pool(tx, by_shares("main", [(provider.id, 100)]))
    assert isinstance(pool, Pool)
    set_default_pool(tx, pool.id)
    return Seeded(sub_account, credential, key, domain, provider, pool)


def _new_credential(sub_account: SubAccount, key: str, dialect: str) -> NewCredential:
    return NewCredential(
        account=sub_account.account,
        sub_account=sub_account.id,
        dialect=dialect,
        scope=Scope.FULL,
        name="test",
        hash=hash_key(key),
        hint=hint_of(key),
        created_ns=NOW_NS,
    )


def _records(name: str, proof: Proof) -> Sequence[Record]:
    return [
        Record(Purpose.DKIM, f"pr1._domainkey.{name}", "TXT", "v=DKIM1", proof),
        Record(Purpose.RETURN_PATH, f"bounce.{name}", "CNAME", "mx.example", proof),
        Record(Purpose.TRACKING, f"track.{name}", "CNAME", "web.example", proof),
    ]


async def already_seeded(store: Store) -> Seeded:
    """What ``seed`` put into a store that another process, or an earlier one, made."""
    directory = await store.read(load_directory)
    assert directory.default_pool is not None
    return Seeded(
        sub_account=next(iter(directory.sub_accounts.values())),
        credential=next(iter(directory.credentials.values())),
        key="",
        domain=next(iter(directory.domains.values())),
        provider=next(iter(directory.providers.values())),
        pool=directory.default_pool,
    )


async def accept_for_ever(folder: Path, tasks: int) -> None:
    """Accept mail in a seeded store; a line with its UUID once it is on disk."""

    async def one() -> None:
        while True:
            message = seeded.message()
            await store.write_each(accept, Request((message,)))
            print(message.deliveries[0].uuid, flush=True)  # noqa: T201  the protocol

    async with open_temp_store(folder) as store, trio.open_nursery() as nursery:
        seeded = await already_seeded(store)
        for _ in range(tasks):
            nursery.start_soon(one)


if __name__ == "__main__":  # the other process of tests that need one
    trio.run(accept_for_ever, Path(sys.argv[1]), 10)
