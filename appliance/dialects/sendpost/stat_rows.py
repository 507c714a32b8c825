"""What the dashboard is told of each provider, domain, pool and so on (spec 12.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from appliance.core.credential import SubAccount
from appliance.core.stats import NOTHING, Counts, Kind, Said
from appliance.dialects.sendpost.stats import counters

Facts: TypeAlias = dict[str, object]
# A row from its key, its counters, and the row ids of what keys name.
_Row: TypeAlias = Callable[[str, Counts, Mapping[str, int]], Facts]

SUB_ACCOUNTS = "subaccount"
OWN_ADDRESSES = "ip"  # there is no mail from any: mail leaves by providers


@dataclass(frozen=True, slots=True)
class Sort:
    """A list that can be asked for; ``named``: its keys are names of rows."""

    kind: Kind
    row: _Row
    named: bool = False


def sub_account_row(one: SubAccount, counts: Counts | None) -> Facts:
    """A sub-account, with or without mail."""
    return {
        "subAccountId": one.id,
        "subAccountName": one.name,
        "blocked": one.blocked,
        **counters(counts or NOTHING),
    }


def _provider(key: str, counts: Counts, ids: Mapping[str, int]) -> Facts:
    return {
        "tpspId": ids.get(key, 0),
        "name": key,
        **counters(counts),
        "throttled": counts.throttled,
    }


def _domain(key: str, counts: Counts, ids: Mapping[str, int]) -> Facts:
    return {
        "domainId": ids.get(key, 0),
        "domain": key,
        "domainRegisteredDate": None,
        **counters(counts),
        "throttled": counts.throttled,
    }


def _pool(key: str, counts: Counts, ids: Mapping[str, int]) -> Facts:
    ended = counts.sent + counts.dropped + counts.smtp_dropped
    return {
        "ipPoolId": ids.get(key, 0),
        "ipPoolName": key,
        **counters(counts),
        "pending": max(0, counts.processed - ended),
    }


def _class(key: str, counts: Counts, ids: Mapping[str, int]) -> Facts:
    del ids
    return {"provider": key, **counters(counts), "throttled": counts.throttled}


def _group(key: str, counts: Counts, ids: Mapping[str, int]) -> Facts:
    del ids
    return {"group": key, **counters(counts)}


def _code(key: str, counts: Counts, ids: Mapping[str, int]) -> Facts:
    del ids
    said = Said.parse(key)
    return {
        "smtpCode": said.code,
        "enhancedCode": said.enhanced,
        "tpsp": said.provider,
        **counters(counts),
    }


SORTS: Mapping[str, Sort] = MappingProxyType(
    {
        "tpsp": Sort(Kind.PROVIDER, _provider, named=True),
        "domain": Sort(Kind.DOMAIN, _domain, named=True),
        "ippool": Sort(Kind.POOL, _pool, named=True),
        "provider": Sort(Kind.CLASS, _class),
        "group": Sort(Kind.GROUP, _group),
        "smtpcode": Sort(Kind.CODE, _code),
    }
)
