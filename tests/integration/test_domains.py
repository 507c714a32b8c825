"""`domain verify` against a real authoritative DNS server."""

from typing import Any

import pytest

from tests.fakes.dns_server import NsdServer
from tests.fakes.postroom import Postroom
from tests.integration.conftest import MakePostroom
from tests.integration.house import DOMAIN, PUBLIC_HOST, dns_settings, publish

pytestmark = pytest.mark.integration


def _records(postroom: Postroom) -> dict[str, Any]:
    done = postroom.attempt("domain", "verify", DOMAIN, "--json")
    return {one["purpose"]: one for one in done.json()["records"]}


def test_the_printed_zone_verifies_in_a_real_server(
    make_postroom: MakePostroom, nsd: NsdServer
) -> None:
    """What `domain add` prints is taken by NSD as it is, and every record fits."""
    postroom = make_postroom(dns_settings(nsd))
    publish(postroom, nsd)
    assert postroom.run("domain", "verify", DOMAIN).status == 0
    records = _records(postroom)
    assert set(records) == {"dkim", "dkim-ed25519", "return-path", "tracking", "dmarc"}
    assert {one["proof"] for one in records.values()} == {"dns"}
    assert postroom.ask("domain", "show", DOMAIN)["verified"] is True


def test_a_wrong_record_is_told_with_both_values(
    make_postroom: MakePostroom, nsd: NsdServer
) -> None:
    """Found and expected stand side by side; the command fails while DKIM does."""
    postroom = make_postroom(dns_settings(nsd))
    publish(postroom, nsd)
    right = nsd.zones[DOMAIN]
    wrong = [line for line in right.splitlines() if "sp-dkim._domainkey" not in line]
    wrong = [line.replace(PUBLIC_HOST, "old.example") for line in wrong]
    wrong.append('sp-dkim._domainkey IN TXT "v=DKIM1;k=rsa;p=AAAA"')
    nsd.serve({DOMAIN: "\n".join(wrong)})

    done = postroom.attempt("domain", "verify", DOMAIN)
    assert done.status == 1
    assert "v=DKIM1;k=rsa;p=AAAA" in done.out
    records = _records(postroom)
    assert not records["dkim"]["verified"]
    assert records["dkim"]["found"] == ["v=DKIM1;k=rsa;p=AAAA"]
    assert records["dkim"]["value"] in right.replace('" "', "")
    assert records["tracking"]["found"] == ["old.example"]
    assert not records["tracking"]["verified"]
    assert records["dmarc"]["verified"]

    nsd.serve({DOMAIN: right})
    assert postroom.attempt("domain", "verify", DOMAIN).status == 0


def test_no_answer_and_no_record_are_told_apart(
    make_postroom: MakePostroom, nsd: NsdServer
) -> None:
    """A name that is not there says so; a server that is not there says so too."""
    postroom = make_postroom({**dns_settings(nsd), "dns.timeout": "2s"})
    publish(postroom, nsd)
    nsd.serve({DOMAIN: ""})
    done = postroom.attempt("domain", "verify", DOMAIN)
    assert done.status == 1
    assert "does not exist" in done.out
    nsd.close()
    done = postroom.attempt("domain", "verify", DOMAIN)
    assert done.status == 1
    assert "no resolver answered" in done.out


def test_trust_is_recorded_as_the_operators_word(
    make_postroom: MakePostroom, nsd: NsdServer
) -> None:
    """`domain trust` verifies without DNS, and the record says on whose word."""
    postroom = make_postroom(dns_settings(nsd))
    postroom.run("domain", "add", DOMAIN)
    facts = postroom.ask("domain", "trust", DOMAIN)
    assert facts["verified"] is True
    proofs = {one["purpose"]: one["proof"] for one in facts["records"]}
    assert proofs["dkim"] == proofs["return-path"] == "operator"
    assert proofs["dmarc"] == "none"
