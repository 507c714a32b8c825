from uuid import UUID

import pytest

from appliance.core.ids import AccountId, ProviderId, SubAccountId
from appliance.dialects.sendpost.headers import strips, trace_headers


def test_a_copy_carries_the_five_documented_headers() -> None:
    """The agent and the log rules find a copy again by exactly these."""
    delivery = UUID("0c6c7600-e68d-498e-b924-d8105130cc1d")
    assert trace_headers(AccountId(1), SubAccountId(2), ProviderId(3), delivery) == (
        ("X-Sendpost-Message-UUID", "0c6c7600-e68d-498e-b924-d8105130cc1d"),
        ("X-Sendpost-Account-ID", "1"),
        ("X-Sendpost-SubAccount-ID", "2"),
        ("X-Sendpost-TPSP-ID", "3"),
        ("X-Sendpost-TPSP-Type", "3"),
    )


@pytest.mark.parametrize(
    "name", ["X-Sendpost-Message-UUID", "x-sendpost-x", "X-SENDPOST-TPSP-ID"]
)
def test_a_senders_own_trace_is_stripped(name: str) -> None:
    """ATTACKS 24: nobody can pass off a mail as another delivery."""
    assert strips(name)


@pytest.mark.parametrize("name", ["X-Sendpost", "Sendpost-X", "X-Other"])
def test_other_headers_stay(name: str) -> None:
    """Only the reserved prefix is dropped."""
    assert not strips(name)
