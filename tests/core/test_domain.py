from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.domain import (
    FAILED_LOOKS,
    LOOKS_APART_NS,
    Algorithm,
    DkimKey,
    Look,
    Proof,
    Purpose,
    Record,
    SenderDomain,
    Stage,
    is_selector,
)
from appliance.core.ids import DomainId, SubAccountId, uuid7

RSA = DkimKey("s1", Algorithm.RSA_SHA256, "cHVi", b"secret")
ED25519 = DkimKey("s2", Algorithm.ED25519_SHA256, "cHVi", b"secret")


def domain(**proofs: Proof) -> SenderDomain:
    """A domain with two keys and the named records."""
    records = tuple(
        Record(purpose, f"{purpose.value}.example.com", "TXT", "v", proof)
        for name, proof in proofs.items()
        for purpose in [Purpose[name]]
    )
    return SenderDomain(
        DomainId(1), uuid7(), SubAccountId(1), "example.com", 0, (RSA, ED25519), records
    )


def test_a_domain_is_verified_by_its_dkim_record() -> None:
    """Other records serve; this one proves."""
    assert domain(DKIM=Proof.DNS).verified
    assert domain(DKIM=Proof.OPERATOR).verified
    assert not domain(DKIM=Proof.NONE, RETURN_PATH=Proof.DNS).verified
    assert not domain().verified


def test_only_keys_that_receivers_can_find_sign() -> None:
    """A signature whose key is not published fails at every receiver."""
    assert domain(DKIM=Proof.DNS).signing_keys == (RSA,)
    both = domain(DKIM=Proof.DNS, DKIM_ED25519=Proof.DNS)
    assert both.signing_keys == (RSA, ED25519)


def test_a_host_is_given_only_when_verified() -> None:
    """The return path is written only where bounces can come back."""
    assert domain(RETURN_PATH=Proof.NONE).verified_host(Purpose.RETURN_PATH) == ""
    host = domain(RETURN_PATH=Proof.DNS).verified_host(Purpose.RETURN_PATH)
    assert host == "return-path.example.com"


def test_a_private_key_is_not_shown() -> None:
    """ATTACKS 27: not even by accident in a traceback."""
    assert "secret" not in repr(RSA)


def test_only_the_active_key_of_a_kind_signs() -> None:
    """One that waits is not found yet, and one that retired is found no longer."""
    at_work = domain(DKIM=Proof.DNS)
    waiting = replace(RSA, selector="s3", stage=Stage.NEXT)
    retired = replace(RSA, selector="s0", stage=Stage.RETIRED)
    seen = Record(
        Purpose.DKIM, "s3", "TXT", "v", Proof.DNS, selector="s3", stage=Stage.NEXT
    )
    rotating = replace(
        at_work, keys=(retired, waiting, RSA), records=(seen, *at_work.records)
    )
    assert rotating.signing_keys == (RSA,)
    assert rotating.record(Purpose.DKIM) == at_work.record(Purpose.DKIM)
    unseen = replace(rotating, records=(seen,))
    assert unseen.signing_keys == ()
    assert not unseen.verified


SEEN = Record(Purpose.DKIM, "h", "TXT", "v", Proof.DNS, 1)
DAY_NS = 86_400 * 1_000_000_000


def look(at_ns: int, failure: str = "gone", *, answered: bool = True) -> Look:
    """A look at ``SEEN`` that failed, unless ``failure`` is ""."""
    return Look(Purpose.DKIM, "", at_ns, failure, answered)


def test_a_record_is_given_up_after_three_failed_days() -> None:
    """An owner's slip of an hour stops no mail; three days are no slip."""
    record = SEEN
    for day in range(1, FAILED_LOOKS):
        record = record.after(look(day * DAY_NS))
        assert (record.verified, record.misses) == (True, day)
    record = record.after(look(FAILED_LOOKS * DAY_NS))
    assert (record.verified, record.failure) == (False, "gone")
    assert record.after(look(9 * DAY_NS, "")).proof is Proof.DNS


def test_looks_of_the_same_day_count_once() -> None:
    """Whoever runs `verify` ten times in a row loses nothing by it."""
    record = SEEN
    for moment in range(DAY_NS, DAY_NS + LOOKS_APART_NS, LOOKS_APART_NS // 10):
        record = record.after(look(moment))
    assert (record.verified, record.misses) == (True, 1)


def test_one_good_look_forgives_the_failed_ones() -> None:
    """They must follow each other."""
    record = SEEN.after(look(DAY_NS)).after(look(2 * DAY_NS))
    record = record.after(look(3 * DAY_NS, "")).after(look(4 * DAY_NS))
    assert (record.verified, record.misses) == (True, 1)


def test_a_resolver_s_silence_counts_as_nothing() -> None:
    """Neither for the record nor against it."""
    record = SEEN.after(look(DAY_NS))
    for day in range(2, 9):
        record = record.after(look(day * DAY_NS, "no answer", answered=False))
    assert (record.verified, record.misses) == (True, 1)
    never = replace(SEEN, proof=Proof.NONE)
    assert not never.after(look(DAY_NS, "no answer", answered=False)).verified


@given(st.lists(st.tuples(st.integers(-9, 9), st.booleans(), st.booleans())))
def test_a_record_is_never_lost_without_enough_failed_looks(
    steps: list[tuple[int, bool, bool]],
) -> None:
    """Whatever the clock does between them."""
    record, failed, now_ns = SEEN, 0, 10 * DAY_NS
    for days, fails, answered in steps:
        now_ns += days * DAY_NS
        seen = look(now_ns, "gone" if fails else "", answered=answered or not fails)
        after = record.after(seen)
        failed = failed + (fails and answered) if fails else 0
        if record.verified and not after.verified:
            assert failed >= FAILED_LOOKS
        record = after


@pytest.mark.parametrize("name", ["sp-dkim", "a", "2024", "s1.mail", "a" * 63])
def test_selectors_are_dns_labels(name: str) -> None:
    """RFC 6376 3.1: one or more, between dots."""
    assert is_selector(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a..b", ".a", "a.", "a_b", "A", "a b", "a" * 64, "a\n"]
)
def test_what_no_record_can_stand_under_is_no_selector(name: str) -> None:
    """It goes into DNS names and into every signature."""
    assert not is_selector(name)
