"""The data folder: what is in it, how it is made, how its store is opened.

`postroom init` comes here. Everything is made in an order in which a crash at
any point leaves a folder that the next `init` finishes: the secret first, the
settings file next, the certificate, then account, keys and sandbox in one
transaction of the database. What is there already is never changed. Folders are
0700, files 0600.
"""

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.core.credential import Scope, SubAccount, hash_key, hint_of, make_key
from appliance.core.password import hash_password
from appliance.dialects.names import FIRST_KEYS
from appliance.flow.files import write_once
from appliance.flow.ports import LOCAL, choose_for_all
from appliance.settings.load import FILE_NAME
from appliance.settings.template import template
from appliance.store.accounts import create_account, has_account
from appliance.store.credentials import NewCredential, add_credential
from appliance.store.database import Store, open_store
from appliance.store.errors import StoreError, WrongSealingKeyError
from appliance.store.pools import ensure_sandbox
from appliance.store.sealed import KEY_BYTES
from appliance.store.transaction import Tx

FIRST_ACCOUNT = "default"
FIRST_USER = "admin"
AS_ITS_USER = "Run the command as the user that Postroom runs as."
_PASSWORD_BYTES = 18  # 24 characters


class FolderError(Exception):
    """The data folder cannot be used; ``hint`` says what would help."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The names of the files in a data folder."""

    root: Path

    @property
    def database(self) -> Path:
        """The database; SQLite puts its log beside it."""
        return self.root / "postroom.db"

    @property
    def secret(self) -> Path:
        """The key under which secrets in the database are sealed."""
        return self.root / "secret.key"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.root / FILE_NAME

    @property
    def certificate(self) -> Path:
        """The certificate of the SMTP doors, unless the settings name another."""
        return self.root / "tls" / "cert.pem"

    @property
    def certificate_key(self) -> Path:
        """Its private key."""
        return self.root / "tls" / "key.pem"

    @property
    def run(self) -> Path:
        """What is true only while the server runs."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """What the running server holds, so that there is only one."""
        return self.run / "lock"

    @property
    def addresses(self) -> Path:
        """Where the running server listens, as JSON."""
        return self.run / "addresses.json"

    @property
    def control_key(self) -> Path:
        """The key by which the command line speaks to the running server."""
        return self.run / "control.key"

    def read_secret(self) -> bytes:
        """The sealing key.

        Raises:
            FolderError: there is none, or it cannot be read, or is damaged.
        """
        try:
            secret = self.secret.read_bytes()
        except FileNotFoundError:
            raise self._no_secret() from None
        except OSError as error:
            raise FolderError(
                f"{self.secret} cannot be read: {error.strerror}",
                AS_ITS_USER,
            ) from None
        if len(secret) != KEY_BYTES:
            raise FolderError(
                f"{self.secret} is damaged: {len(secret)} bytes, not {KEY_BYTES}",
                "Put the file back from a backup.",
            )
        return secret

    def _no_secret(self) -> FolderError:
        if self.database.exists():
            return FolderError(
                f"{self.secret} is missing, and {self.database.name} needs it",
                "Put the file back from a backup.",
            )
        return FolderError(
            f"there is no Postroom data in {self.root}",
            f"Make it with: postroom init --data {self.root}",
        )


@dataclass(frozen=True, slots=True)
class Initialised:
    """What a first `init` made; the secrets are nowhere else in clear.

    ``notes`` are sentences about doors that could not be opened to the world.
    """

    sub_account: SubAccount
    keys: Mapping[str, str] = field(repr=False)
    user: str
    password: str = field(repr=False)
    notes: tuple[str, ...] = ()


@asynccontextmanager
async def open_data(folder: DataFolder) -> AsyncIterator[Store]:
    """The store of a data folder that `init` has made.

    Raises:
        FolderError: the folder or its database cannot be used.
    """
    secret = folder.read_secret()
    if not folder.database.exists():
        raise FolderError(
            f"{folder.database} is missing",
            f"If it was never there: postroom init --data {folder.root};"
            " otherwise put it back from a backup.",
        )
    try:
        async with open_store(folder.database, sealing_key=secret) as store:
            yield store
    except StoreError as error:
        raise _store_trouble(folder, error) from error


async def initialise(
    folder: DataFolder, now_ns: int, *, system: bool = False, host: str = "localhost"
) -> Initialised | None:
    """Make what is missing of a data folder; None if nothing was.

    ``system`` is for a machine of its own: other machines reach the doors.
    ``host`` is the name in the certificate; none is made for "".

    Raises:
        FolderError: the folder belongs to something else, or cannot be made.
        CertificateError: there is a private key that is of no use.
    """
    try:
        notes = _make_files(folder, system=system)
        if host:
            _make_certificate(folder, host)
    except OSError as error:
        raise FolderError(
            f"{folder.root} cannot be made: {error.strerror}",
            "Name another folder with --data, or run as a user that may write there.",
        ) from None
    secret = folder.read_secret()
    try:
        async with open_store(folder.database, sealing_key=secret) as store:
            if await store.read(has_account):
                return None
            return await _make_account(store, now_ns, notes)
    except StoreError as error:
        raise _store_trouble(folder, error) from error


def _make_files(folder: DataFolder, *, system: bool) -> tuple[str, ...]:
    """Make secret and settings; what is to be said about the latter."""
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not folder.secret.exists():
        _refuse_strangers(folder)
        folder.root.chmod(0o700)
        if not folder.database.exists():
            write_once(folder.secret, os.urandom(KEY_BYTES))
    if folder.settings.exists():
        return ()
    chosen = choose_for_all() if system else LOCAL
    write_once(folder.settings, template(chosen.settings).encode())
    return chosen.notes


def _make_certificate(folder: DataFolder, host: str) -> None:
    from appliance.flow.certificate import ensure_pair  # cryptography takes 0.1 s

    ensure_pair(folder.certificate, folder.certificate_key, host)


def _refuse_strangers(folder: DataFolder) -> None:
    """Do not take over a folder that holds other things, such as a home folder."""
    ours = {folder.settings.name, folder.run.name, "lost+found"}
    ours.add(folder.certificate.parent.name)
    ours |= {folder.database.name + end for end in ("", "-wal", "-shm")}
    strangers = sorted(
        one.name
        for one in folder.root.iterdir()
        if one.name not in ours and not one.name.startswith(f".{folder.secret.name}.")
    )
    if strangers:
        raise FolderError(
            f"{folder.root} holds other things already, such as {strangers[0]}",
            "Name an empty or new folder with --data.",
        )


async def _make_account(
    store: Store, now_ns: int, notes: tuple[str, ...]
) -> Initialised | None:
    keys = {one.json_name: make_key(one.dialect.key_prefix) for one in FIRST_KEYS}
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    sub_account = await store.write(
        _write_account, keys, hash_password(password), now_ns
    )
    if sub_account is None:  # another init was faster
        return None
    return Initialised(sub_account, keys, FIRST_USER, password, notes)


def _write_account(
    tx: Tx, keys: Mapping[str, str], password_hash: str, now_ns: int
) -> SubAccount | None:
    sub_account = create_account(tx, FIRST_ACCOUNT, FIRST_USER, password_hash, now_ns)
    if sub_account is None:
        return None
    for first in FIRST_KEYS:
        key = keys[first.json_name]
        new = NewCredential(
            account=sub_account.account,
            sub_account=None if first.whole_account else sub_account.id,
            dialect=first.dialect.value,
            scope=Scope.FULL,
            name="first",
            hash=hash_key(key),
            hint=hint_of(key),
            created_ns=now_ns,
        )
        add_credential(tx, new)
    ensure_sandbox(tx)
    return sub_account


def _store_trouble(folder: DataFolder, error: StoreError) -> FolderError:
    hint = "Look at the disk, the file's owner, and the version of Postroom."
    if isinstance(error, WrongSealingKeyError):
        hint = f"Put {folder.secret.name} back from a backup."
    elif folder.database.exists() and not os.access(folder.database, os.R_OK | os.W_OK):
        hint = AS_ITS_USER
    return FolderError(f"{folder.database} cannot be used: {error}", hint)
