"""By which way mail may go, or what speaks against it: named checks, in order.

Everything a check asks is answered from memory (``flow/directory.py``). Each
check either says nothing or refuses; the first refusal counts. What a refusal
looks like on the wire is the dialect's business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from appliance.core.address import Address
from appliance.core.credential import Credential
from appliance.core.domain import SenderDomain
from appliance.core.ids import SubAccountId
from appliance.core.pool import Pool
from appliance.core.refusal import Reason, Refusal
from appliance.store.directory import Directory
from appliance.value import value


@value
class Origin:
    """On whose behalf mail comes in; no credential means the operator's own hand."""

    sub_account: SubAccountId
    credential: Credential | None = None


@value
class Question:
    """What all checks but those of recipients look at; no sender means not one."""

    origin: Origin
    sender: Address | None
    pool: str


@dataclass(frozen=True, slots=True)
class Route:
    """By which domain and pool mail goes against which no check has anything."""

    domain: SenderDomain
    pool: Pool


FindRoute: TypeAlias = Callable[[Directory, Question], Route | Refusal]
Check: TypeAlias = Callable[[Directory, Question], Refusal | None]


def find_route(directory: Directory, question: Question) -> Route | Refusal:
    """The route of what is sent this way, or what the first check has against it."""
    for check in CHECKS:
        refusal = check(directory, question)
        if refusal is not None:
            return refusal
    domain, pool = _domain(directory, question), _pool(directory, question)
    assert domain is not None
    assert pool is not None
    return Route(domain, pool)


class Routes:
    """The routes that were found, for as long as the directory stays as it is.

    They are as many as it has domains, times the pools.
    """

    def __init__(self) -> None:
        self._directory: Directory | None = None
        self._found: dict[tuple[SubAccountId, str, str], Route] = {}

    def find(self, directory: Directory, question: Question) -> Route | Refusal:
        """As ``find_route``; what depends on the key is asked each time."""
        if directory is not self._directory:
            self._directory, self._found = directory, {}
        sender = question.sender
        name = "" if sender is None else sender.domain
        key = (question.origin.sub_account, name, question.pool)
        known = self._found.get(key)
        if known is not None:
            return check_permitted(directory, question) or known
        found = find_route(directory, question)
        if isinstance(found, Route):
            self._found[key] = found
        return found


# --- the checks -----------------------------------------------------------------


def check_sub_account(directory: Directory, question: Question) -> Refusal | None:
    """A blocked sub-account sends nothing."""
    sub_account = directory.sub_accounts.get(question.origin.sub_account)
    if sub_account is None or sub_account.blocked:
        return Refusal(Reason.SUB_ACCOUNT_BLOCKED)
    return None


def check_sender(_: Directory, question: Question) -> Refusal | None:
    """The sender is an address."""
    if question.sender is None:
        return Refusal(Reason.SENDER_INVALID, "from", "Sender address is invalid")
    return None


def check_sender_domain(directory: Directory, question: Question) -> Refusal | None:
    """The domain of From is the sub-account's own, and its DKIM key is proven."""
    domain = _domain(directory, question)
    if domain is None or not domain.verified:
        detail = f"Sender domain {_sender_domain(question)} is not verified"
        return Refusal(Reason.SENDER_NOT_VERIFIED, "from", detail)
    return None


def check_permitted(_: Directory, question: Question) -> Refusal | None:
    """The key may send as this domain."""
    credential, name = question.origin.credential, _sender_domain(question)
    if credential is not None and not credential.permits(name):
        detail = f"This key may not send as {name}"
        return Refusal(Reason.SENDER_NOT_PERMITTED, "from", detail)
    return None


def check_pool(directory: Directory, question: Question) -> Refusal | None:
    """The pool is known and has somewhere to send."""
    pool = _pool(directory, question)
    if pool is None:
        return unknown_pool(question.pool)
    if not pool.members:
        detail = f"Pool {pool.name!r} has no provider"
        return Refusal(Reason.POOL_EMPTY, "pool", detail)
    return None


CHECKS: tuple[Check, ...] = (
    check_sub_account,
    check_sender,
    check_sender_domain,
    check_permitted,
    check_pool,
)


# --- what the checks and the message ask for -----------------------------------


def _sender_domain(question: Question) -> str:
    return question.sender.domain if question.sender is not None else ""


def _domain(directory: Directory, question: Question) -> SenderDomain | None:
    key = question.origin.sub_account, _sender_domain(question)
    return directory.domains.get(key)


def _pool(directory: Directory, question: Question) -> Pool | None:
    if not question.pool:
        return directory.default_pool
    return directory.pools.get(question.pool)


def unknown_pool(name: str) -> Refusal:
    """The refusal of mail for a pool that is not there."""
    return Refusal(Reason.UNKNOWN_POOL, "pool", f"There is no pool named {name!r}")
