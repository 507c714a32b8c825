from dataclasses import replace

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.domain import Proof, Purpose, Record, SenderDomain, Stage
from appliance.core.ids import DomainId, SubAccountId, uuid7
from appliance.flow.verification import judge, verify
from appliance.net.dns import Found, Trouble

DKIM = Record(Purpose.DKIM, "s._domainkey.a.test", "TXT", "v=DKIM1;k=rsa;p=AbC+/=")
ED25519 = Record(
    Purpose.DKIM_ED25519, "e._domainkey.a.test", "TXT", "v=DKIM1;k=ed25519;p=AbC+/="
)
BOUNCE = Record(Purpose.RETURN_PATH, "sp-bounce.a.test", "CNAME", "mail.b.test")
DMARC = Record(Purpose.DMARC, "_dmarc.a.test", "TXT", "v=DMARC1; p=none;")


@pytest.mark.parametrize(
    ("record", "value"),
    [
        (DKIM, "v=DKIM1;k=rsa;p=AbC+/="),
        (DKIM, "v=DKIM1; k=rsa; t=s; p=AbC +/ ="),
        (DKIM, "p=AbC+/="),
        (DKIM, "v=DKIM1;h=sha1:sha256;s=tlsrpt:email;p=AbC+/="),
        (BOUNCE, "mail.b.test"),
        (DMARC, "v=DMARC1; p=reject; rua=mailto:x@a.test"),
        (DMARC, "v=DMARC1"),
    ],
)
def test_what_serves_the_purpose_verifies(record: Record, value: str) -> None:
    """The key counts, not the spelling; any DMARC policy is the owner's choice."""
    finding = judge(record, Found((value,)), 7)
    assert finding.record.proof is Proof.DNS
    assert finding.record.failure == ""
    assert finding.record.checked_ns == 7


@pytest.mark.parametrize(
    ("record", "value"),
    [
        (DKIM, "v=DKIM1;k=rsa;p="),
        (DKIM, "v=DKIM1;k=rsa;p=Other"),
        (DKIM, "v=DKIM1;p=AbC+/=;p=AbC+/="),
        (DKIM, ""),
        (BOUNCE, "mail.c.test"),
        (DMARC, "v=DMARC10"),
        (DMARC, "v=spf1 -all"),
    ],
)
def test_what_does_not_serve_it_is_shown(record: Record, value: str) -> None:
    """The failure names the host and what was found there."""
    finding = judge(record, Found((value,)), 7)
    assert finding.record.proof is Proof.NONE
    assert record.host in finding.record.failure
    assert value in finding.record.failure


@pytest.mark.parametrize(
    ("record", "value", "why"),
    [
        (DKIM, "v=DKIM1;p=", "it says that the key was revoked"),
        (DKIM, "v=DKIM1;p=Other", "it holds another key"),
        (DKIM, "v=spf1 -all", "it is no DKIM key"),
        (DKIM, "v=DKIM1;k=ed25519;p=AbC+/=", "with k=ed25519 our signatures are void"),
        (DKIM, "v=DKIM1;h=sha1;p=AbC+/=", "with h=sha1 our signatures are void"),
        (DKIM, "v=DKIM1;s=tlsrpt;p=AbC+/=", "with s=tlsrpt our signatures are void"),
        (DKIM, "v=DKIM2;p=AbC+/=", "with v=DKIM2 our signatures are void"),
        (ED25519, "v=DKIM1;p=AbC+/=", "with k=rsa our signatures are void"),
        (BOUNCE, "mail.c.test", "it is another host"),
        (DMARC, "v=spf1 -all", "it is no DMARC policy"),
    ],
)
def test_the_failure_says_why(record: Record, value: str, why: str) -> None:
    """So that two long values need not be compared by eye."""
    assert judge(record, Found((value,)), 7).record.failure.endswith(f": {why}")


@given(st.text())
def test_nothing_that_is_published_can_break_a_look(value: str) -> None:
    """What stands in the DNS is anybody's text."""
    for record in (DKIM, BOUNCE, DMARC):
        finding = judge(record, Found((value,)), 7)
        assert finding.record.verified == (not finding.look.failure)


def test_one_right_value_among_others_is_enough() -> None:
    """Other TXT records under the name do no harm."""
    found = Found(("something else", DKIM.value))
    assert judge(DKIM, found, 7).record.verified


def test_a_missing_record_says_so() -> None:
    """A name that does not exist is told apart from one without this type."""
    missing = judge(DKIM, Found(trouble=Trouble.NO_NAME), 7).record
    assert missing.failure == f"{DKIM.host} TXT: the name does not exist"


def test_silence_of_the_resolver_changes_no_proof() -> None:
    """An outage of the DNS does not stop a domain that was proven."""
    proven = judge(DKIM, Found((DKIM.value,)), 7).record
    after = judge(proven, Found(trouble=Trouble.NO_ANSWER), 8).record
    assert after.proof is Proof.DNS
    assert after.failure


def test_the_operator_s_word_stands() -> None:
    """What was trusted stays trusted on that word, with the failure beside it."""
    trusted = Record(DKIM.purpose, DKIM.host, DKIM.type, DKIM.value, Proof.OPERATOR)
    after = judge(trusted, Found(trouble=Trouble.NO_NAME), 8).record
    assert after.proof is Proof.OPERATOR
    assert after.failure
    assert judge(after, Found((DKIM.value,)), 9).record == replace(
        trusted, checked_ns=9
    )


def test_one_failed_look_is_no_end() -> None:
    """A record that was there is given its days, and the failure is told meanwhile."""
    proven = judge(DKIM, Found((DKIM.value,)), 7).record
    after = judge(proven, Found(trouble=Trouble.NO_NAME), 8).record
    assert (after.proof, after.misses) == (Proof.DNS, 1)
    assert after.failure


class Zone:
    """A resolver that answers from a table; a name not in it never answers."""

    def __init__(self, table: dict[str, Found]) -> None:
        self._table = table

    async def lookup(self, name: str, kind: str) -> Found:
        """The table's answer."""
        assert kind in ("TXT", "CNAME")
        await trio.lowlevel.checkpoint()
        if name not in self._table:
            await trio.sleep_forever()
        return self._table[name]


async def test_all_records_are_looked_up_side_by_side(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """One that never answers costs the deadline once and spoils no other.

    The record of a retired key is not looked at.
    """
    retired = replace(DKIM, host="old._domainkey.a.test", stage=Stage.RETIRED)
    records = (retired, DKIM, BOUNCE, DMARC)
    domain = SenderDomain(
        DomainId(1), uuid7(), SubAccountId(1), "a.test", 0, (), records
    )
    zone = Zone({DKIM.host: Found((DKIM.value,))})
    findings = await verify(zone, domain, 7, timeout_seconds=5)
    assert [one.record.purpose for one in findings] == [
        Purpose.DKIM,
        Purpose.RETURN_PATH,
        Purpose.DMARC,
    ]
    assert findings[0].record.verified
    assert "no resolver answered" in findings[1].record.failure
    assert autojump_clock.current_time() <= 6
