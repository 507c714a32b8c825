"""Sender domains as the calls about them read and show them (spec 14).

A domain has more records here than the vendor's objects have places for: the second
key's is shown by `postroom domain show`.
"""

from collections.abc import Sequence

import msgspec

from appliance.core.address import is_domain
from appliance.core.domain import Purpose, Record, SenderDomain
from appliance.dialects.decode import Malformed, decode
from appliance.dialects.sendpost.account_answer import render
from appliance.dialects.sendpost.answer import Answer
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.errors import Fault, Problem, invalid

NO_DOMAIN = Problem(Fault.NOT_FOUND, "There is no such domain")
_NOTHING = {"host": "", "type": "TXT", "textValue": ""}
# The vendor's names, each with the purpose of the record.
_RECORDS = (
    ("dkim", Purpose.DKIM),
    ("returnPath", Purpose.RETURN_PATH),
    ("track", Purpose.TRACKING),
    ("dmarc", Purpose.DMARC),
)


class DomainBody(msgspec.Struct, frozen=True):
    """A domain as it is sent to be made."""

    name: str | None = None


_BODY = msgspec.json.Decoder(DomainBody)


def parse_domain(raw: bytes) -> str | Problem:
    """The name of the domain that is wanted, in ASCII and lower case."""
    body = decode(_BODY, raw)
    if isinstance(body, Malformed):
        return invalid(body.path, body.what)
    name = (body.name or "").strip().rstrip(".").lower()
    # A last label of digits is that of an IP address (RFC 1123 2.1).
    if not is_domain(name) or "." not in name or name.rpartition(".")[2].isdigit():
        return invalid("name", "name is a domain in ASCII, such as example.com")
    return name


def domain_exists(name: str) -> Problem:
    """The answer to a domain that the sub-account has already."""
    return Problem(Fault.EXISTS, f"There is a domain {name} already", "name")


def too_many(most: int) -> Problem:
    """The answer to one domain more than a sub-account may have."""
    return invalid("name", f"A sub-account has at most {most} domains")


def render_made(one: SenderDomain, contract: Contract) -> Answer:
    """The answer to a new domain (spec 2.3)."""
    return render(_facts(one, contract), 201 if contract is Contract.V1 else 200)


def render_domain(one: SenderDomain, contract: Contract) -> Answer:
    """One domain."""
    return render(_facts(one, contract))


def render_domains(found: Sequence[SenderDomain], contract: Contract) -> Answer:
    """Several, in their order."""
    return render([_facts(one, contract) for one in found])


def render_deleted(one: SenderDomain) -> Answer:
    """The answer to a domain that is gone now."""
    message = f"Domain ({one.name}) has been deleted successfully."
    return render({"id": one.id, "message": message})


def _facts(one: SenderDomain, contract: Contract) -> dict[str, object]:
    """A domain as an object with the keys of ``contract`` and no others."""
    facts: dict[str, object] = {"id": one.id, "name": one.name}
    for name, purpose in _RECORDS:
        record = one.record(purpose)
        facts[name] = _record(record)
        facts[f"{name}Verified"] = record is not None and record.verified
        facts[f"{name}FailureReason"] = _failure(record)
    facts |= {
        "verified": one.verified,
        "domainRegisteredDate": None,
        "created": one.created_ns,
    }
    if contract is Contract.V1:
        return facts | {"dnsProvider": "other"}
    return facts | {
        "domainRegisteredDate": "",
        "spf": _record(one.record(Purpose.RETURN_PATH)),
        "spfVerified": False,
        "mailboxVerified": False,
        "gpt": _NOTHING,
        "gptVerified": False,
        "dkimConfig": "",
    }


def _record(one: Record | None) -> dict[str, object]:
    if one is None:
        return dict(_NOTHING)
    return {"host": one.host, "type": one.type, "textValue": one.value}


def _failure(one: Record | None) -> str:
    """What was found instead; of what still counts nothing is wrong yet."""
    return "" if one is None or one.verified else one.failure
