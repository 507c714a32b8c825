import datetime as dt
import logging
import ssl
import subprocess
from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from appliance.net.tls import TlsFailure, client_context, start_tls
from appliance.net.tls_server import (
    CertificateError,
    ServerTls,
    make_private_key,
    sign_itself,
)

HOST = "mail.example.com"
NOW = dt.datetime.now(dt.UTC)


class Clock:
    """The time as the test wants it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """What it is now."""
        return self.now


class Pair:
    """A certificate and a key on the disk."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "cert.pem"
        self.key = folder / "key.pem"
        self.clock = Clock()

    def write(self, host: str = HOST) -> None:
        """Put a new pair there."""
        private = make_private_key()
        self.key.write_bytes(private)
        self.certificate.write_bytes(sign_itself(private, host, NOW))

    def served(self) -> ServerTls:
        """What a server makes of it."""
        return ServerTls(self.certificate, self.key, self.clock)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """One that is good."""
    made = Pair(tmp_path)
    made.write()
    return made


async def shake_hands(
    server: ServerTls, client: ssl.SSLContext, host: str = HOST
) -> trio.SSLStream[trio.abc.Stream] | TlsFailure:
    """What a client makes of the next handshake with this server."""
    ours, theirs = trio.testing.memory_stream_pair()
    covered = trio.SSLStream(
        theirs, server.context(), server_side=True, https_compatible=True
    )

    async def serve() -> None:
        try:
            await covered.do_handshake()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(theirs)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        result = await start_tls(ours, client, host)
        nursery.cancel_scope.cancel()  # a refused server would wait on
    return result


async def is_trusted(server: ServerTls, certificate: Path, host: str = HOST) -> bool:
    """True if who trusts this certificate alone trusts this server."""
    client = ssl.create_default_context(cafile=certificate)
    # What Python 3.13 demands by itself.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    return not isinstance(await shake_hands(server, client, host), TlsFailure)


# --- what is spoken -------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_today_s_tls_is_spoken(pair: Pair, version: ssl.TLSVersion) -> None:
    """Both versions, without asking for a certificate of the client's."""
    client = client_context(verify=False)
    client.minimum_version = client.maximum_version = version
    assert not isinstance(await shake_hands(pair.served(), client), TlsFailure)


def weakened(**changes: object) -> ssl.SSLContext:
    """A client that would take anything."""
    client = client_context.__wrapped__(verify=False)
    client.set_ciphers("ALL:@SECLEVEL=0")
    for name, value in changes.items():
        setattr(client, name, value)
    return client


async def test_old_tls_is_refused(pair: Pair) -> None:
    """TLS 1.1 is no cover (RFC 8996)."""
    client = weakened()
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    assert isinstance(await shake_hands(pair.served(), client), TlsFailure)


async def test_without_forward_secrecy_is_refused(pair: Pair) -> None:
    """What is recorded today is not opened by a key that leaks tomorrow."""
    client = weakened(maximum_version=ssl.TLSVersion.TLSv1_2)
    for ciphers in ("ECDHE+AES+SHA1", "aNULL", "eNULL", "kRSA"):
        client.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        assert isinstance(await shake_hands(pair.served(), client), TlsFailure)


def test_renegotiation_and_compression_are_off(pair: Pair) -> None:
    """ATTACKS 4: one handshake is all that a client can make us compute."""
    options = pair.served().context().options
    assert options & ssl.OP_NO_RENEGOTIATION
    assert options & ssl.OP_NO_COMPRESSION


# --- files that change ----------------------------------------------------------


async def test_a_new_pair_is_taken_up_without_a_restart(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """With the next handshake, though at most once a second."""
    caplog.set_level(logging.INFO)
    server = pair.served()
    first = server.context()
    pair.write()
    pair.clock.now += 0.9
    assert server.context() is first
    pair.clock.now += 0.1
    assert await is_trusted(server, pair.certificate)
    assert [one.message for one in caplog.records] == ["tls.certificate_replaced"]
    second = server.context()
    pair.clock.now += 60
    assert server.context() is second


async def test_a_link_that_leads_elsewhere_is_a_new_pair(tmp_path: Path) -> None:
    """So the clients of certificate authorities replace them."""
    folders = [tmp_path / "1", tmp_path / "2"]
    for folder in folders:
        folder.mkdir()
        Pair(folder).write()
    live = tmp_path / "live"
    live.symlink_to(folders[0])
    pair = Pair(live)
    server = pair.served()
    assert await is_trusted(server, folders[0] / "cert.pem")
    live.unlink()
    live.symlink_to(folders[1])
    pair.clock.now += 1
    assert await is_trusted(server, folders[1] / "cert.pem")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "key.pem: No such file or directory"),
        (b"", "key.pem: "),
        (b"half a ke", "key.pem: "),
        (make_private_key(), "key.pem: the key is not that of the certificate"),
    ],
)
async def test_a_broken_pair_does_not_replace_a_good_one(
    pair: Pair, content: bytes | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one goes on, the reason is told once, and the cure is noticed."""
    server = pair.served()
    good = server.context()
    private = pair.key.read_bytes()
    for _ in range(3):
        pair.key.unlink(missing_ok=True)
        if content is not None:
            pair.key.write_bytes(content)
        pair.clock.now += 1
        assert server.context() is good
    (line,) = caplog.records
    assert line.message == "tls.certificate_not_replaced"
    assert reason in str(vars(line)["postroom_keys"]["reason"])
    pair.key.write_bytes(private)
    pair.clock.now += 1
    assert server.context() is not good
    assert await is_trusted(server, pair.certificate)


def encrypted_key() -> bytes:
    """A key that needs a passphrase."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def test_what_cannot_be_served_from_the_start_is_named(pair: Pair) -> None:
    """The file and the reason; nobody is asked for a passphrase."""
    pair.key.write_bytes(encrypted_key())
    with pytest.raises(CertificateError, match=r"key\.pem: .*by a passphrase"):
        pair.served()
    pair.certificate.unlink()
    with pytest.raises(CertificateError, match=r"cert\.pem: No such file"):
        pair.served()
    pair.certificate.mkdir()
    with pytest.raises(CertificateError, match=r"cert\.pem: Is a directory"):
        pair.served()


async def test_one_file_may_hold_both(pair: Pair) -> None:
    """As some tools write it."""
    both = pair.certificate.with_name("both.pem")
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    assert await is_trusted(ServerTls(both, None, pair.clock), pair.certificate)
    with pytest.raises(CertificateError, match=r"cert\.pem: "):
        ServerTls(pair.certificate, None, pair.clock)


# --- one of our own making ------------------------------------------------------


@pytest.mark.parametrize("host", [HOST, "localhost", "127.0.0.1", "::1", "x" * 60])
async def test_a_client_that_has_our_certificate_trusts_it(
    pair: Pair, host: str
) -> None:
    """For that name alone; addresses are names, too."""
    pair.write(host)
    assert await is_trusted(pair.served(), pair.certificate, host)
    assert not await is_trusted(pair.served(), pair.certificate, "other.example.com")


async def test_a_long_name_is_no_trouble(pair: Pair) -> None:
    """RFC 5280: a common name has 64 characters, a host name up to 253."""
    host = ".".join(["label" * 10] * 4)
    pair.write(host)
    assert await is_trusted(pair.served(), pair.certificate, host)


def test_our_certificate_is_on_p_256_and_lasts(pair: Pair) -> None:
    """Signing costs a tenth of what RSA does; the clock of a client may be late."""
    made = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    public = made.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    assert made.not_valid_before_utc < NOW
    assert made.not_valid_after_utc > NOW + dt.timedelta(days=3000)


def ed25519_key() -> bytes:
    """A key of another kind."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize("key", [b"", b"x", encrypted_key(), ed25519_key()])
def test_what_is_no_such_key_signs_nothing(key: bytes) -> None:
    """A file somebody else has put there is not guessed at."""
    with pytest.raises(CertificateError, match="private key"):
        sign_itself(key, HOST, NOW)


def test_the_tools_of_others_read_it(pair: Pair) -> None:
    """Here openssl's own: certificate and key are in order and belong together."""

    def openssl(*words: str | Path) -> bytes:
        ran = subprocess.run(["openssl", *words], check=True, capture_output=True)
        return ran.stdout

    of_key = openssl("pkey", "-pubout", "-in", pair.key)
    assert of_key
    assert openssl("x509", "-noout", "-pubkey", "-in", pair.certificate) == of_key
