"""What commands need of the data folder: its settings, its store, and rows by name."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.cli.common import Call, Failure
from appliance.settings import Settings, SettingsError
from appliance.settings.load import FILE_NAME, Loaded, load_with_places

if TYPE_CHECKING:  # the store takes 0.2 s to import; `config print` needs none
    from appliance.core.credential import SubAccount
    from appliance.core.domain import SenderDomain
    from appliance.core.pool import Pool
    from appliance.core.provider import Provider
    from appliance.store.database import Store

MAX_NAME_CHARS = 253
# Without --defaults it would stumble over the same mistake.
_ALL_SETTINGS = "All settings: postroom config print --defaults"


def settings_with_places(call: Call, overrides: Sequence[str] = ()) -> Loaded:
    """The settings in force and where each comes from.

    Raises:
        Failure: a setting is wrong.
    """
    try:
        return load_with_places(call.data, overrides, os.environ)
    except SettingsError as error:
        raise Failure(str(error), _cure(call)) from None


def _cure(call: Call) -> str:
    try:
        (call.data / FILE_NAME).open("rb").close()
    except PermissionError:
        from appliance.flow.setup import AS_ITS_USER

        return AS_ITS_USER
    except OSError:
        pass
    return _ALL_SETTINGS


def settings_of(call: Call, overrides: Sequence[str] = ()) -> Settings:
    """The settings in force.

    Raises:
        Failure: a setting is wrong.
    """
    return settings_with_places(call, overrides).settings


@asynccontextmanager
async def open_house(call: Call) -> AsyncIterator["Store"]:
    """The store of the data folder; what stands in the way is worded.

    Raises:
        Failure: there is no data folder, or it cannot be used.
    """
    from appliance.flow.setup import DataFolder, FolderError, open_data

    try:
        async with open_data(DataFolder(call.data)) as store:
            yield store
    except FolderError as error:
        raise Failure(str(error), error.hint) from None


async def pick_sub_account(store: "Store", wanted: str) -> "SubAccount":
    """The sub-account with this id, UUID or name; the first one for "".

    Raises:
        Failure: there is no such sub-account.
    """
    from appliance.store.accounts import list_sub_accounts

    every = await store.read(list_sub_accounts)
    for one in every:
        if wanted in {"", str(one.id), str(one.uuid), one.name}:
            return one
    known = ", ".join(f"{one.id} ({one.name})" for one in every)
    raise Failure(f"there is no sub-account {wanted}", f"There is: {known}")


async def pick_domain(store: "Store", name: str, sub_account: str) -> "SenderDomain":
    """The sender domain of this name, of this sub-account if one is named.

    Raises:
        Failure: there is none, or several sub-accounts have it.
    """
    from appliance.store.domains import list_domains

    ascii_name = domain_name(name)
    found = [one for one in await store.read(list_domains) if one.name == ascii_name]
    if sub_account:
        owner = await pick_sub_account(store, sub_account)
        found = [one for one in found if one.sub_account == owner.id]
    if not found:
        hint = f"Add it with: postroom domain add {ascii_name}"
        raise Failure(f"there is no domain {ascii_name}", hint)
    if len(found) > 1:
        owners = ", ".join(str(one.sub_account) for one in found)
        hint = f"Say which with --sub-account: {owners}"
        raise Failure(f"several sub-accounts have {ascii_name}", hint)
    return found[0]


async def pick_provider(store: "Store", name: str) -> "Provider":
    """The provider of this name.

    Raises:
        Failure: there is none.
    """
    from appliance.store.providers import list_providers

    every = await store.read(list_providers)
    for one in every:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in every)
    raise Failure(f"there is no provider {name}", f"There is: {known}")


async def pick_pool(store: "Store", name: str) -> "Pool":
    """The pool of this name.

    Raises:
        Failure: there is none.
    """
    from appliance.store.pools import list_pools

    every = await store.read(list_pools)
    for one in every:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in every)
    raise Failure(f"there is no pool {name}", f"There is: {known}")


def domain_name(text: str) -> str:
    """The domain in ASCII and lower case (RFC 5891).

    Raises:
        Failure: it is no domain name.
    """
    from appliance.core.address import is_domain

    name = text.strip().rstrip(".").lower()
    if not name.isascii():
        name = _to_ascii(name)
    # A last label of digits is that of an IP address (RFC 1123 2.1).
    if not is_domain(name) or "." not in name or name.rpartition(".")[2].isdigit():
        raise Failure(f"{text!r} is no domain name", "Write it as in: example.com")
    return name


def _to_ascii(name: str) -> str:
    import idna

    try:
        return idna.encode(name[:MAX_NAME_CHARS], uts46=True).decode()
    except idna.IDNAError:
        return ""
