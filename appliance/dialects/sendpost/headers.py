"""The headers by which a relayed copy is found again (spec 6)."""

from uuid import UUID

from appliance.core.ids import AccountId, ProviderId, SubAccountId

_PREFIX = "x-sendpost-"
_CUSTOM_SMTP = "3"  # the vendor's number for this kind of provider


def trace_headers(
    account: AccountId,
    sub_account: SubAccountId,
    provider: ProviderId,
    delivery: UUID,
) -> tuple[tuple[str, str], ...]:
    """The headers that each copy of this delivery carries, in order."""
    return (
        ("X-Sendpost-Message-UUID", str(delivery)),
        ("X-Sendpost-Account-ID", str(account)),
        ("X-Sendpost-SubAccount-ID", str(sub_account)),
        ("X-Sendpost-TPSP-ID", str(provider)),
        ("X-Sendpost-TPSP-Type", _CUSTOM_SMTP),
    )


def strips(name: str) -> bool:
    """True if a sender's header of this name is dropped, lest it forge a trace."""
    return name.lower().startswith(_PREFIX)
