"""TLS as a server: the certificate, kept current, and one of our own making.

Decides what is spoken (TLS 1.2 or newer, forward secrecy, no renegotiation) and
when files are read anew: when a handshake finds them changed. A pair that cannot
be used never replaces one that can. Which files, and when to start TLS, is left
to those who call.
"""

import datetime as dt
import ipaddress
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance import log as logs

log = logs.get("tls")

_LOOK_SECONDS: Final = 1.0  # between two looks at the files
# Mozilla's "intermediate"; the suites of TLS 1.3 are all good and stay as they are.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_YEARS: Final = 10  # clients trust it by its bytes or not at all
_MAX_COMMON_NAME: Final = 64  # RFC 5280, ub-common-name

_Identity: TypeAlias = tuple[tuple[int, ...], ...]


class CertificateError(Exception):
    """A certificate and key that cannot be used; the text says which and why."""


class ServerTls:
    """The context for the next handshake.

    Raises:
        CertificateError: there is none to begin with.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._certificate = certificate
        self._key = key  # None: it is in the file of the certificate
        self._clock = clock
        self._identity = self._identify()
        self._complaint = ""
        self._context = _load(certificate, key)
        self._looked = clock()

    def context(self) -> ssl.SSLContext:
        """One with the files as they are, or as they were when they were good."""
        now = self._clock()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._context

    def _look(self) -> None:
        identity = self._identify()
        if identity == self._identity:
            return
        self._identity = identity
        try:
            self._context = _load(self._certificate, self._key)
        except CertificateError as error:
            # Half of a new pair is a common sight, so each reason is told once.
            if str(error) != self._complaint:
                log.warning("tls.certificate_not_replaced", reason=error)
            self._complaint = str(error)
        else:
            self._complaint = ""
            log.info("tls.certificate_replaced", file=self._certificate)

    def _identify(self) -> _Identity:
        """What differs once a file was written or another took its place."""
        return tuple(map(_identity, filter(None, (self._certificate, self._key))))


def _identity(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _load(certificate: Path, key: Path | None) -> ssl.SSLContext:
    for path in filter(None, (certificate, key)):
        try:
            path.open("rb").close()  # ssl would not say which of them it is
        except OSError as error:
            raise CertificateError(f"{path}: {error.strerror}") from None
    context = _bare_context()
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise CertificateError(f"{key or certificate}: {_reason(error)}") from None
    return context


def _bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    # ATTACKS 4: a client would let us do the dear half of handshakes for ever.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 1  # two are for clients with several connections at once
    return context


def _no_passphrase() -> str:
    """Called instead of asking at a terminal that a service does not have."""
    raise ValueError("the key is protected by a passphrase")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        words = error.reason.replace("_", " ").lower()
        if error.reason == "KEY_VALUES_MISMATCH":
            words = "the key is not that of the certificate"
        return words
    return str(error) or "it holds no certificate and key in PEM"


# --- one of our own making ------------------------------------------------------


def make_private_key() -> bytes:
    """A new key on P-256, as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def sign_itself(private_key: bytes, host: str, now: dt.datetime) -> bytes:
    """A certificate for ``host`` by this key itself, as PEM.

    Raises:
        CertificateError: it is no key on a curve, in PEM and without passphrase.
    """
    try:
        key = serialization.load_pem_private_key(private_key, None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"the private key cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError("the private key is not one on an elliptic curve")
    common = host if len(host) <= _MAX_COMMON_NAME else "postroom"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))  # clocks differ
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
    )
    for extension, critical in _extensions(key.public_key(), host):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


def _extensions(
    public: ec.EllipticCurvePublicKey, host: str
) -> list[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return [
        (x509.SubjectAlternativeName([_general_name(host)]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (purpose, False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
    ]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
