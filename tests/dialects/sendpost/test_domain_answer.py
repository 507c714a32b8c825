"""Sender domains as they are shown: the exact keys of both contracts."""

from dataclasses import replace
from uuid import UUID

import msgspec
import pytest

from appliance.core.domain import Algorithm, DkimKey, Proof, SenderDomain
from appliance.core.ids import DomainId, SubAccountId
from appliance.dialects.sendpost.contract import Contract
from appliance.dialects.sendpost.domain import records_for
from appliance.dialects.sendpost.domain_answer import (
    parse_domain,
    render_domain,
    render_made,
)
from appliance.dialects.sendpost.errors import Problem

KEYS = (DkimKey("sp-dkim", Algorithm.RSA_SHA256, "AAAA", b"-"),)
ONE = SenderDomain(
    id=DomainId(7),
    uuid=UUID(int=7),
    sub_account=SubAccountId(1),
    name="shop.example",
    created_ns=1_700_000_000_000_000_000,
    keys=KEYS,
    records=records_for("shop.example", "mx.test", "mx.test", KEYS),
)
# Appendix A and B; the Java client refuses anything else.
BOTH = {
    *("id", "name", "created", "verified", "domainRegisteredDate"),
    *("dkim", "returnPath", "track", "dmarc"),
    *("dkimVerified", "returnPathVerified", "trackVerified", "dmarcVerified"),
    *("dkimFailureReason", "returnPathFailureReason"),
    *("trackFailureReason", "dmarcFailureReason"),
}
LEGACY = {"spf", "dkimConfig", "spfVerified", "mailboxVerified", "gpt", "gptVerified"}


def shown(one: SenderDomain, contract: Contract) -> dict[str, object]:
    """The object that is answered with."""
    found: dict[str, object] = msgspec.json.decode(render_domain(one, contract).body)
    return found


def test_each_contract_has_its_keys_and_no_others() -> None:
    """Spec 2.3; the date is null in v1, never "", and a string in legacy."""
    new, old = (shown(ONE, one) for one in (Contract.V1, Contract.LEGACY))
    assert set(new) == BOTH | {"dnsProvider"}
    assert set(old) == BOTH | LEGACY
    assert (new["domainRegisteredDate"], old["domainRegisteredDate"]) == (None, "")
    assert new["dmarc"] == {
        "host": "_dmarc.shop.example",
        "type": "TXT",
        "textValue": "v=DMARC1; p=none;",
    }
    assert old["spf"] == old["returnPath"]


def test_a_new_one_is_201_in_v1_alone() -> None:
    """Each SDK decodes the body for its own status only."""
    assert render_made(ONE, Contract.V1).status == 201
    assert render_made(ONE, Contract.LEGACY).status == 200


def test_what_counts_has_no_failure() -> None:
    """A record that failed one look of three is still verified, and fine."""
    missed = (replace(one, failure="gone", proof=Proof.DNS) for one in ONE.records)
    found = shown(replace(ONE, records=tuple(missed)), Contract.V1)
    assert (found["verified"], found["dkimFailureReason"]) == (True, "")
    unseen = tuple(replace(one, failure="gone") for one in ONE.records)
    found = shown(replace(ONE, records=unseen), Contract.V1)
    assert (found["verified"], found["dkimFailureReason"]) == (False, "gone")


@pytest.mark.parametrize(
    ("raw", "name"),
    [(b'{"name":"A.Example."}', "a.example"), (b'{"name":"x.1a.de"}', "x.1a.de")],
)
def test_a_name_is_read_in_lower_case(raw: bytes, name: str) -> None:
    """Also those that the SDK would not let through (spec 14)."""
    assert parse_domain(raw) == name


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"name":null}',
        b'{"name":"b\xc3\xbccher.de"}',
        b'{"name":"a..b"}',
    ],
)
def test_what_is_no_domain_is_refused(raw: bytes) -> None:
    """With 422, and the field at fault if there is one."""
    assert isinstance(parse_domain(raw), Problem)
