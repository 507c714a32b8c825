"""The calls of one kind of key: found by method and path, judged, then answered.

An account's key speaks for the whole house, as it does for the queue: providers and
pools belong to no sub-account. A sub-account's key speaks for what is its own. What
each call does is said where it is made; here is what all of them have in common: the
key, the contract, the body's size, the errors.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from appliance.core.credential import Credential, Scope
from appliance.core.ids import AccountId, SubAccountId, parse_uuid
from appliance.core.refusal import Reason, Refusal
from appliance.dialects.sendpost.answer import Answer, render_problem, render_refusal
from appliance.dialects.sendpost.contract import (
    Contract,
    contract_headers,
    read_contract,
)
from appliance.dialects.sendpost.errors import Fault, Problem, invalid
from appliance.dialects.sendpost.login import KeyKind, read_key, speaks_for
from appliance.edge.http.sendpost import BAD_KEY, STRANGER_BYTES
from appliance.edge.keys import KeyRing
from appliance.store.errors import StoreUnavailable

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

MAX_BODY_BYTES = 256 * 1024  # parsed in under 10 ms
NUMBER = "{id}"  # where a path has the number of a row
UUID_PLACE = "{uuid}"  # where it ends with a UUID
_LARGEST = 2**63 - 1
_NO_PATH = Problem(Fault.NOT_FOUND, "There is nothing at this path")
_NO_METHOD = Problem(Fault.METHOD_NOT_ALLOWED, "This method is not for this path")
_SEND_ONLY = Refusal(Reason.OUT_OF_SCOPE, detail="This key may only send")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that may be answered; ``number`` is the path's, 0 for none.

    So is ``uuid``: None for none, and for what stands in its place and is none.

    ``sub_account`` is whose key it is, None for one of the whole account.
    """

    account: AccountId
    sub_account: SubAccountId | None
    contract: Contract
    number: int
    query: bytes
    body: bytes
    headers: Headers = ()
    uuid: UUID | None = None

    @property
    def owner(self) -> SubAccountId:
        """Whose key it is, at a door that takes keys of sub-accounts only."""
        assert self.sub_account is not None
        return self.sub_account


Call: TypeAlias = Callable[[Ask], Awaitable[Answer | Problem]]
# By method and path, such as ("GET", "/api/v1/account/thing/{id}").
Calls: TypeAlias = Mapping[tuple[str, str], Call]


@dataclass(frozen=True, slots=True)
class Request:
    """What came in, headers in lower case; no body: it was too large to be read."""

    method: str
    path: str
    query: bytes
    headers: Headers
    body: bytes | None


class AccountDoor:
    """Answers the calls that it was given, to those with a key of its kind."""

    def __init__(
        self,
        keys: KeyRing,
        default: Contract,
        *calls: Calls,
        kind: KeyKind = KeyKind.ACCOUNT,
    ) -> None:
        self._keys = keys
        self._kind = kind
        self._default = default
        self._paths: dict[tuple[str, ...], dict[str, Call]] = {}
        for table in calls:
            for (method, path), call in table.items():
                self._paths.setdefault(_parts(path), {})[method] = call

    def body_limit(self, headers: Headers) -> int:
        """How much body is read behind these headers: little without a key."""
        stranger = isinstance(self._bearer(headers), Refusal)
        return STRANGER_BYTES if stranger else MAX_BODY_BYTES

    async def answer(self, request: Request) -> Answer:
        """The whole answer to one request."""
        contract = read_contract(request.headers, self._default)
        if isinstance(contract, Problem):
            answer, applied = render_problem(contract), self._default
        else:
            answer, applied = await self._judge(request, contract), contract
        extra = contract_headers(applied)
        return Answer(answer.status, (*answer.headers, *extra), answer.body)

    async def _judge(self, request: Request, contract: Contract) -> Answer:
        methods, number = self._find(request.path)
        uuid = None
        if methods is None:
            methods, uuid = self._find_by_uuid(request.path)
        if methods is None:
            return render_problem(_NO_PATH)
        call = methods.get("GET" if request.method == "HEAD" else request.method)
        if call is None:
            return _not_allowed(methods)
        bearer = self._bearer(request.headers)
        if isinstance(bearer, Refusal):
            return render_refusal(bearer)
        if request.body is None:
            return render_problem(
                invalid("", f"The body is over {MAX_BODY_BYTES} bytes")
            )
        owner = bearer.account, bearer.sub_account
        rest = request.query, request.body
        ask = Ask(*owner, contract, number, *rest, headers=request.headers, uuid=uuid)
        try:
            answer = await call(ask)
        except StoreUnavailable:
            return render_refusal(Refusal(Reason.STORE_UNAVAILABLE))
        return render_problem(answer) if isinstance(answer, Problem) else answer

    def _bearer(self, headers: Headers) -> Credential | Refusal:
        key = read_key(headers, self._kind)
        credential = self._keys.find(key) if key is not None else None
        if credential is None or not _is_of_use(credential, self._kind):
            return BAD_KEY
        if credential.scope is Scope.SEND_ONLY:
            return _SEND_ONLY
        return credential

    def _find(self, path: str) -> tuple[dict[str, Call] | None, int]:
        parts = _parts(path)
        exact = self._paths.get(parts)
        if exact is not None:
            return exact, 0
        for at, part in enumerate(parts):
            pattern = (*parts[:at], NUMBER, *parts[at + 1 :])
            if part.isascii() and part.isdecimal() and pattern in self._paths:
                number = int(part) if len(part) < len(str(_LARGEST)) else 0
                return self._paths[pattern], number
        return None, 0

    def _find_by_uuid(self, path: str) -> tuple[dict[str, Call] | None, UUID | None]:
        *parts, last = _parts(path)
        return self._paths.get((*parts, UUID_PLACE)), parse_uuid(last)


def _is_of_use(credential: Credential, kind: KeyKind) -> bool:
    """True for a key of that kind that is good from anywhere.

    Behind a proxy nobody knows where a request comes from.
    """
    good = speaks_for(credential, kind)
    return good and not credential.allowed_networks


def _not_allowed(methods: Mapping[str, Call]) -> Answer:
    answer = render_problem(_NO_METHOD)
    allow = ("Allow", ", ".join(sorted(methods)))
    return Answer(answer.status, (*answer.headers, allow), answer.body)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.removesuffix("/").split("/"))
