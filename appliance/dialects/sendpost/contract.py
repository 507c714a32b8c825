"""Which of the two response contracts an answer follows (spec 2).

The vendor's clients do not ask for the one that they need, so their
``User-Agent`` decides before the configured default does.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType

from appliance.dialects.sendpost.errors import Fault, Problem

CONTRACT_HEADER = "X-SendPost-Public-Contract"
# Legacy clients go on working here; the date only has to be a valid one.
SUNSET = "Fri, 31 Dec 2027 23:59:59 GMT"
DEPRECATION_PAGE = "/docs/sendpost"


class Contract(Enum):
    """A generation of field names and status codes; the value is the header's."""

    LEGACY = "legacy"
    V1 = "v1"


_BY_CLIENT: Mapping[str, Contract] = MappingProxyType(
    {
        "OpenAPI-Generator/1.": Contract.LEGACY,
        "OpenAPI-Generator/2.": Contract.LEGACY,
        "OpenAPI-Generator/3.": Contract.V1,
    }
)
_BY_NAME: Mapping[str, Contract] = MappingProxyType(
    {one.value: one for one in Contract}
)


def choose_contract(
    header: str | None, user_agent: str, default: Contract
) -> Contract | Problem:
    """The contract that this request is answered in.

    ``header`` is the value of ``X-SendPost-Public-Contract``, None if absent;
    one that names no contract is a problem, never a guess.
    """
    if header is not None:
        named = _BY_NAME.get(header.strip().lower())
        if named is None:
            message = f"{CONTRACT_HEADER} is either v1 or legacy"
            return Problem(Fault.BAD_REQUEST, message, CONTRACT_HEADER)
        return named
    for prefix, contract in _BY_CLIENT.items():
        if user_agent.startswith(prefix):
            return contract
    return default


def read_contract(
    headers: Iterable[tuple[bytes, bytes]], default: Contract
) -> Contract | Problem:
    """The contract that a request with these headers is answered in."""
    found = {name: value.decode("latin-1") for name, value in reversed([*headers])}
    named = found.get(CONTRACT_HEADER.lower().encode())
    return choose_contract(named, found.get(b"user-agent", ""), default)


def contract_headers(
    contract: Contract, sunset: str = SUNSET, page: str = DEPRECATION_PAGE
) -> tuple[tuple[str, str], ...]:
    """What every answer in ``contract`` says about it.

    ``sunset`` is an HTTP date (RFC 8594 3), ``page`` a URL or a path.
    """
    applied = (CONTRACT_HEADER, contract.value)
    if contract is Contract.V1:
        return (applied,)
    return (
        applied,
        ("Deprecation", "true"),
        ("Sunset", sunset),
        ("Link", f'<{page}>; rel="deprecation"'),
    )
