import ssl
from pathlib import Path

import pytest

from appliance.flow.certificate import ensure_pair, open_tls
from appliance.net.tls_server import CertificateError, make_private_key
from appliance.settings.doors import Smtp

HOST = "mail.example.com"


class Pair:
    """Where a pair is, or will be."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "tls" / "cert.pem"
        self.key = folder / "tls" / "key.pem"

    def ensure(self) -> None:
        """Make what is missing."""
        ensure_pair(self.certificate, self.key, HOST)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """None yet."""
    return Pair(tmp_path)


def test_a_pair_is_made_once(pair: Pair) -> None:
    """For the owner's eyes; a second time changes nothing."""
    pair.ensure()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key)
    assert pair.key.stat().st_mode & 0o777 == 0o600
    assert pair.key.parent.stat().st_mode & 0o777 == 0o700
    before = pair.certificate.read_bytes(), pair.key.read_bytes()
    pair.ensure()
    assert (pair.certificate.read_bytes(), pair.key.read_bytes()) == before


def test_half_a_pair_is_completed(pair: Pair) -> None:
    """ATTACKS 26: a crash behind the key; the certificate fits what is there."""
    pair.key.parent.mkdir()
    key = make_private_key()
    pair.key.write_bytes(key)
    pair.ensure()
    assert pair.key.read_bytes() == key
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key)


def test_a_lost_key_is_not_replaced(pair: Pair) -> None:
    """It would not fit the certificate, which clients may know."""
    pair.ensure()
    pair.key.unlink()
    pair.ensure()
    assert not pair.key.exists()
    with pytest.raises(CertificateError, match=r"key\.pem: No such file"):
        open_tls(Smtp(), pair.certificate, pair.key, HOST)


def test_without_settings_a_pair_of_our_own_is_served(pair: Pair) -> None:
    """Made by the first start, if init did not."""
    open_tls(Smtp(), pair.certificate, pair.key, HOST).context()
    assert pair.certificate.exists()


def test_what_the_settings_name_is_served(pair: Pair, tmp_path: Path) -> None:
    """In two files or in one; ours is not made then."""
    theirs = Pair(tmp_path / "etc")
    (tmp_path / "etc").mkdir()
    theirs.ensure()
    certificate, key = str(theirs.certificate), str(theirs.key)
    open_tls(Smtp(certificate=certificate, key=key), pair.certificate, pair.key, HOST)
    with theirs.certificate.open("ab") as both:
        both.write(theirs.key.read_bytes())
    open_tls(Smtp(certificate=certificate), pair.certificate, pair.key, HOST)
    assert not pair.certificate.exists()


@pytest.mark.parametrize(
    ("smtp", "message"),
    [
        (Smtp(certificate="/nosuch/cert.pem"), "/nosuch/cert.pem: No such file"),
        (Smtp(key="/nosuch/key.pem"), "smtp.certificate is not"),
    ],
)
def test_what_the_settings_name_must_be_there(
    pair: Pair, smtp: Smtp, message: str
) -> None:
    """A start without the certificate that was asked for is none."""
    with pytest.raises(CertificateError, match=message):
        open_tls(smtp, pair.certificate, pair.key, HOST)


def test_a_folder_that_cannot_be_made_is_named(pair: Pair) -> None:
    """The path and the reason."""
    pair.key.parent.write_text("in the way")
    with pytest.raises(CertificateError, match="tls"):
        open_tls(Smtp(), pair.certificate, pair.key, HOST)
