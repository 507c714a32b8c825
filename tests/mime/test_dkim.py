"""DKIM: what we sign, others verify; what is changed, they refuse."""

import base64
import subprocess
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.core.domain import Algorithm, DkimKey
from appliance.mime import dkim as dkim_module
from appliance.mime.dkim import Signer, sign
from appliance.mime.dkim_check import check_signature, prove
from appliance.mime.dkim_keys import (
    UnusableKey,
    generate_ed25519_key,
    generate_rsa_key,
)
from appliance.mime.headers import MalformedMessage, split_message
from appliance.mime.relaxed import relaxed_body, relaxed_message, relaxed_value
from tests.fakes.dkim import ed_verifies, public_record, verifies

NOW = int(time.time())  # a verifier compares t= with its own clock
MAIL = (
    b"From: Alice <alice@example.com>\r\n"
    b"To: Bob <bob@example.org>\r\n"
    b"Subject: A folded\r\n   subject \r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"List-Unsubscribe: <https://t.example.com/" + b"x" * 200 + b">\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"X-Unsigned: 1\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 7bit\r\n"
    b"\r\n"
    b"Hello  \t Bob,\r\n \r\n.\r\nbye \r\n\r\n\r\n"
)
LONG_DOMAIN = ".".join(["a" * 60, "b" * 60, "c" * 60, "example.com"])


@pytest.fixture(scope="module")
def rsa_key() -> DkimKey:
    """One RSA key for all tests: making one takes a while."""
    return generate_rsa_key("sp-dkim")


@pytest.fixture(scope="module")
def ed_key() -> DkimKey:
    """One Ed25519 key."""
    return generate_ed25519_key("ed")


def test_rsa_signatures_verify(rsa_key: DkimKey) -> None:
    """An independent verifier takes it, for any length of domain."""
    for domain in ("example.com", LONG_DOMAIN):
        signature = sign(MAIL, domain, [Signer(rsa_key)], NOW)
        assert verifies(signature + MAIL, rsa_key)


def test_several_keys_sign_one_mail(rsa_key: DkimKey, ed_key: DkimKey) -> None:
    """RFC 8463 5: a signature of each kind, each valid by itself."""
    keys = [Signer(rsa_key), Signer(ed_key)]
    signed = sign(MAIL, "example.com", keys, NOW) + MAIL
    assert verifies(signed, rsa_key)
    assert ed_verifies(signed, ed_key, 1)
    assert not ed_verifies(signed, generate_ed25519_key("ed"), 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hello", b"Hullo"),
        (b"A folded", b"An unfolded"),
        (b"bob@", b"eve@"),
        (b"One-Click", b"No-Click"),
        (b"From: Alice", b"From: <eve@example.com>\r\nFrom: Alice"),
        (b"Subject:", b"Subject: Cheap\r\nSubject:"),
        (b"To: Bob", b"Cc: eve@example.com\r\nTo: Bob"),
        (b"To: Bob", b"Reply-To: eve@example.com\r\nTo: Bob"),
        (b"To: Bob", b"Content-Type: text/html\r\nTo: Bob"),
        (b"To: Bob", b"List-Unsubscribe: <https://e>\r\nTo: Bob"),
        (b"bye \r\n", b"bye \r\nappended\r\n"),
    ],
)
def test_changes_and_additions_are_noticed(
    old: bytes, new: bytes, rsa_key: DkimKey
) -> None:
    """ATTACKS 15: sealed headers cannot be doubled, and nothing can be appended."""
    signed = sign(MAIL, "example.com", [Signer(rsa_key)], NOW) + MAIL
    assert verifies(signed, rsa_key)
    assert not verifies(signed.replace(old, new, 1), rsa_key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"From: Alice", b"Received: by relay\r\nX-New: 1\r\nFrom: Alice"),
        (b"X-Unsigned: 1", b"X-Unsigned: 2"),
        (b"A folded\r\n   subject \r\n", b"A folded subject\r\n"),
        (b"Hello  \t Bob,\r\n \r\n", b"Hello Bob,\r\n\r\n"),
        (b"bye \r\n\r\n\r\n", b"bye\r\n"),
        (b"From: Alice", b"Sender: list@example.net\r\nFrom: Alice"),
    ],
)
def test_what_relays_do_is_forgiven(old: bytes, new: bytes, rsa_key: DkimKey) -> None:
    """Relaxed: blanks, folding and fields that we do not vouch for may change."""
    signed = sign(MAIL, "example.com", [Signer(rsa_key)], NOW) + MAIL
    changed = signed.replace(old, new, 1)
    assert changed != signed
    assert verifies(changed, rsa_key)


def test_mailing_lists_may_add_their_link(rsa_key: DkimKey) -> None:
    """A mail without List-Unsubscribe does not forbid a list's own."""
    plain = b"From: a@example.com\r\nSubject: x\r\n\r\nHi\r\n"
    signed = sign(plain, "example.com", [Signer(rsa_key)], NOW) + plain
    added = b"List-Unsubscribe: <https://list>\r\n" + signed
    assert verifies(added, rsa_key)


def test_the_field_is_well_made(rsa_key: DkimKey) -> None:
    """One field, lines of at most 78, no l=, the time, relaxed on both sides."""
    raw = sign(MAIL, "example.com", [Signer(rsa_key)], 1_700_000_000)
    (field,), body = split_message(raw + b"\r\n")
    assert (field.raw, body) == (raw, b"")
    assert all(len(line) <= 78 and line == line.rstrip() for line in raw.split(b"\r\n"))
    tags = {
        name.strip(): value.strip()
        for name, _, value in (tag.partition(b"=") for tag in field.value.split(b";"))
    }
    assert set(tags) == set(b"v a c d s t h bh b".split())
    assert tags[b"c"] == b"relaxed/relaxed"
    assert tags[b"t"] == b"1700000000"
    signed = [name.strip() for name in tags[b"h"].split(b":")]
    assert signed.count(b"from") == signed.count(b"list-unsubscribe") == 2
    assert signed.count(b"cc") == signed.count(b"reply-to") == 1
    assert signed.count(b"mime-version") == 1
    assert b"x-unsigned" not in signed


@pytest.mark.parametrize("size", [0, 1, 2046, 2047, 2048, 4094, 4095, 10_000])
def test_the_body_hash_is_that_of_the_whole_body(size: int, ed_key: DkimKey) -> None:
    """RFC 6376 3.7, however many pieces it is hashed in."""
    body = b"x" * size
    signature = sign(
        b"From: a@example.com\r\n\r\n" + body, "d.test", [Signer(ed_key)], 1
    )
    hashed = signature.partition(b"bh=")[2].partition(b";")[0]
    assert hashed == base64.b64encode(sha256(relaxed_body(body)).digest())


def test_names_that_nobody_signs_fill_no_memory(ed_key: DkimKey) -> None:
    """A sender invents as many as it likes; what is kept of them is nothing."""
    signer = Signer(ed_key)
    sign(b"X-0: 1\r\n" + MAIL, "example.com", [signer], NOW)
    kept = dkim_module._plan.cache_info().currsize
    for number in range(1, 20):
        sign(b"X-%d: 1\r\n" % number + MAIL, "example.com", [signer], NOW)
    assert dkim_module._plan.cache_info().currsize == kept


def test_signing_is_repeatable(rsa_key: DkimKey, ed_key: DkimKey) -> None:
    """A retry at the same second signs with the same bytes."""
    keys = [Signer(rsa_key), Signer(ed_key)]
    assert sign(MAIL, "x.org", keys, 1) == sign(MAIL, "x.org", keys, 1)
    assert sign(MAIL, "x.org", [], 1) == b""


pieces = st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\r\n", b"a", b"\r\n\r\n", b"  "])


@settings(deadline=None)
@given(st.lists(pieces, max_size=14).map(b"".join) | st.binary(max_size=60))
@example(b"\r\n")
@example(b" \r\n\r\n")
@example(b"a\n\r\n")
@example(b"a\r\r\n\r\n")
@example(b"a\r\n\n\r\n\r")
def test_the_body_is_canonical_as_dkimpy_has_it(body: bytes) -> None:
    """Equal on any bytes, so the two never disagree about a signature."""
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b"\n", b"\xff", b":"])))
def test_our_relaxed_value_is_dkimpy_s(pieces: list[bytes]) -> None:
    """A value that is folded, padded or plain is hashed as others hash it."""
    headers = [(b"subject", b"".join(pieces) + b"\r\n")]
    ((_, value),) = Relaxed.canonicalize_headers(headers)
    assert relaxed_value(headers[0][1]) + b"\r\n" == value


header_pieces = st.sampled_from(
    [
        b"From",
        b": ",
        b":",
        b" ",
        b"\t",
        b"\r\n",
        b"\r\n ",
        b"\r\n\t",
        b"a",
        b"\xff",
        b"\r",
    ]
)


@given(st.lists(header_pieces, max_size=16).map(b"".join))
@example(b"From : a\r\n  b\t\r\n \r\nTo:x\r\n\r\nbody")
def test_the_whole_header_is_canonical_as_dkimpy_has_it(message: bytes) -> None:
    """Cut and unfolded in one go, it is what field by field gives; so are refusals."""
    try:
        fields, body = split_message(message)
    except MalformedMessage:
        with pytest.raises(MalformedMessage):
            relaxed_message(message)
        return
    relaxed = Relaxed.canonicalize_headers([(one.name, one.value) for one in fields])
    expected = [(name, value.removesuffix(b"\r\n")) for name, value in relaxed]
    assert relaxed_message(message) == (expected, relaxed_body(body))


@pytest.mark.parametrize("piece", [b" ", b"\t ", b"\r\n", b" \r\n", b"\r", b"\n\r\n\n"])
def test_hostile_bodies_take_linear_time(piece: bytes) -> None:
    """ATTACKS 14: megabytes of blanks are done within the test's timeout."""
    body = piece * (4_000_000 // len(piece))
    assert len(relaxed_body(body + b"a")) <= len(body) + 3
    assert len(relaxed_body(body)) <= len(body) + 2


def test_keys_and_records_fit_together(rsa_key: DkimKey, ed_key: DkimKey) -> None:
    """RFC 6376 3.6.1 and RFC 8463 4 say what stands in p=."""
    assert rsa_key.public.startswith("MIIB")
    assert len(base64.b64decode(ed_key.public)) == 32
    assert rsa_key.algorithm is Algorithm.RSA_SHA256
    assert ed_key.algorithm is Algorithm.ED25519_SHA256


def test_unusable_keys_are_refused(rsa_key: DkimKey, ed_key: DkimKey) -> None:
    """Before a mail is signed with them, and without showing them (ATTACKS 27)."""
    for key in (
        replace(rsa_key, private_pem=b"secret nonsense"),
        replace(rsa_key, private_pem=ed_key.private_pem),
        replace(ed_key, private_pem=rsa_key.private_pem),
    ):
        with pytest.raises(UnusableKey) as caught:
            Signer(key)
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_no_header_no_signature(rsa_key: DkimKey) -> None:
    """A block that is none is the caller's to refuse."""
    with pytest.raises(MalformedMessage):
        sign(b"no header\r\n\r\n", "example.com", [Signer(rsa_key)], NOW)


def test_a_key_proves_itself(rsa_key: DkimKey, ed_key: DkimKey) -> None:
    """Halves that do not belong together are noticed before a mail bears them."""
    for key in (rsa_key, ed_key):
        signer = Signer(key)
        assert prove(signer) is signer
    other = generate_rsa_key("sp-dkim", 1024).public
    with pytest.raises(UnusableKey, match="does not fit"):
        prove(Signer(replace(rsa_key, public=other)))


def test_our_own_check_agrees(rsa_key: DkimKey, ed_key: DkimKey) -> None:
    """Each signature against what is published for it, whatever else is there."""
    signed = sign(MAIL, "example.com", [Signer(rsa_key), Signer(ed_key)], NOW) + MAIL
    for index, key in enumerate((rsa_key, ed_key)):
        record = public_record(key)
        assert check_signature(signed, index, [record]) == ""
        assert check_signature(signed, index, ["v=spf1 -all", record]) == ""
        assert "body hash" in check_signature(signed + b"more\r\n", index, [record])
        changed = signed.replace(b"A folded", b"Another")
        assert check_signature(changed, index, [record]) == (
            "it does not fit the key that is published"
        )
    assert check_signature(signed, 2, [public_record(rsa_key)]) == (
        "there is no such signature"
    )


@pytest.mark.parametrize(
    ("published", "fault"),
    [
        ([], "no key is published"),
        (["v=spf1 -all"], "what is published is no DKIM key"),
        (["v=DKIM2; p=AAAA"], "what is published is no DKIM key"),
        (["v=DKIM1; p="], "the published key says that it was revoked"),
        (["v=DKIM1; p=AAAA"], "the published key is no usable key"),
        (["v=DKIM1; p=\u00e4"], "the published key is no usable key"),
        (["v=DKIM1; k=ed25519; p=AAAA"], "the published key is of another kind"),
        (["p=AAAA", "v=DKIM1; p="], "the published key is no usable key"),
    ],
)
def test_what_is_wrong_with_a_published_key_is_said(
    rsa_key: DkimKey, published: list[str], fault: str
) -> None:
    """In words for who has to mend it."""
    signed = sign(MAIL, "example.com", [Signer(rsa_key)], NOW) + MAIL
    assert check_signature(signed, 0, published).startswith(fault)


def test_another_key_is_told_from_a_changed_mail(rsa_key: DkimKey) -> None:
    """The usual mistake after a rotation."""
    signed = sign(MAIL, "example.com", [Signer(rsa_key)], NOW) + MAIL
    other = public_record(generate_rsa_key("x", 1024))
    assert (
        check_signature(signed, 0, [other])
        == "it does not fit the key that is published"
    )


def test_the_check_is_linear(rsa_key: DkimKey) -> None:
    """ATTACKS 14: a sender's body of blanks does not stop the server."""
    mail = MAIL + b" " * 2_000_000 + b"x\r\n"
    signed = sign(mail, "example.com", [Signer(rsa_key)], NOW) + mail
    began = time.perf_counter()
    assert check_signature(signed, 0, [public_record(rsa_key)]) == ""
    assert time.perf_counter() - began < 5


# The DNS query is replaced by a record on the command line.
VERIFY = """
use Mail::DKIM::Verifier; use Net::DNS;
no warnings 'redefine';
my ($path, $record) = @ARGV;
*Mail::DKIM::DNS::query = sub {
    my $strings = [unpack '(a255)*', $record];
    Net::DNS::RR->new(owner => $_[0], type => 'TXT', txtdata => $strings)
};
open my $mail, '<:raw', $path or die; local $/;
my $dkim = Mail::DKIM::Verifier->new;
$dkim->PRINT(<$mail>);
$dkim->CLOSE;
print $dkim->result;
"""


@pytest.mark.integration
def test_the_perl_verifier_agrees(tmp_path: Path, rsa_key: DkimKey) -> None:
    """Mail::DKIM, another implementation of the RFC, takes what we sign."""
    path, script = tmp_path / "mail", tmp_path / "verify.pl"
    script.write_text(VERIFY)
    signed = sign(MAIL, LONG_DOMAIN, [Signer(rsa_key)], NOW) + MAIL
    for message, verdict in ((signed, b"pass"), (signed + b"more\r\n", b"fail")):
        path.write_bytes(message)
        command = ["perl", str(script), str(path), public_record(rsa_key)]
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout == verdict
