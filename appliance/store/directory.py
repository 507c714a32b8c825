"""All configuration in one value, so that nothing on the walk asks the disk.

Suppressions are not in it: they are many and change with the mail, so memory
follows them change by change (``suppressions.load_suppression_changes``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from appliance.core.credential import Credential, SubAccount
from appliance.core.domain import SenderDomain
from appliance.core.ids import CredentialId, DomainId, ProviderId, SubAccountId
from appliance.core.pool import Pool
from appliance.core.provider import Provider
from appliance.store.accounts import list_sub_accounts
from appliance.store.credentials import hashed_credentials
from appliance.store.domains import list_domains
from appliance.store.login_blocks import LoginBlock, list_login_blocks
from appliance.store.pools import list_pools
from appliance.store.providers import event_key_hashes, list_providers
from appliance.store.transaction import View

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Directory:
    """The configuration at one moment; ``generation`` is ``Pulse.configuration``.

    Credentials are found by the hash of their key; revoked ones are not there. So are
    providers by that of the key which their log agents report with.
    Login blocks are found by their origin; those that ended are still there.
    """

    generation: int
    sub_accounts: Mapping[SubAccountId, SubAccount]
    credentials: Mapping[bytes, Credential] = field(repr=False)
    credential_ids: frozenset[CredentialId]
    domains: Mapping[tuple[SubAccountId, str], SenderDomain]
    domains_by_id: Mapping[DomainId, SenderDomain] = field(repr=False)
    providers: Mapping[ProviderId, Provider]
    pools: Mapping[str, Pool]
    default_pool: Pool | None
    login_blocks: Mapping[str, LoginBlock]
    event_keys: Mapping[bytes, ProviderId] = field(repr=False)


def load_directory(view: View) -> Directory:
    """The configuration as it stands."""
    domains, pools = list_domains(view), list_pools(view)
    credentials = {
        hash_: credential
        for hash_, credential in hashed_credentials(view)
        if not credential.revoked_ns
    }
    (generation,) = view.db.execute("SELECT configuration FROM meta").fetchone()
    return Directory(
        generation=generation,
        sub_accounts=_frozen({one.id: one for one in list_sub_accounts(view)}),
        credentials=_frozen(credentials),
        credential_ids=frozenset(one.id for one in credentials.values()),
        domains=_frozen({(one.sub_account, one.name): one for one in domains}),
        domains_by_id=_frozen({one.id: one for one in domains}),
        providers=_frozen({one.id: one for one in list_providers(view)}),
        pools=_frozen({one.name: one for one in pools}),
        default_pool=next((one for one in pools if one.is_default), None),
        login_blocks=_frozen({one.origin: one for one in list_login_blocks(view)}),
        event_keys=_frozen(event_key_hashes(view)),
    )


def _frozen(values: dict[K, V]) -> Mapping[K, V]:
    return MappingProxyType(values)
