from appliance.core.domain import (
    Algorithm,
    DkimKey,
    Proof,
    Purpose,
    Record,
    SenderDomain,
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
