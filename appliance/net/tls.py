"""TLS as a client: which contexts, and failures as values.

Decides what is demanded of a certificate: a known issuer and the right name,
unless the operator said otherwise; never less than TLS 1.2. When to start is
left to the protocol that starts it.
"""

import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from appliance.smtp.reply import printable


@dataclass(frozen=True, slots=True)
class TlsFailure:
    """No TLS came to be; the reason is for the operator and the stream is dead."""

    reason: str


@functools.lru_cache(maxsize=16)
def client_context(
    *, verify: bool = True, ca_file: Path | None = None
) -> ssl.SSLContext:
    """A context for outgoing connections; the same one for the same arguments.

    Loading the system's issuers takes some 20 ms, so a context is kept. An added
    issuer takes effect with the next start.

    Raises:
        OSError: the file cannot be read (ssl.SSLError if it holds no certificate).
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@functools.lru_cache(maxsize=4)
def web_context(*, ca_file: Path | None = None) -> ssl.SSLContext:
    """As ``client_context``, and no other protocol's: HTTP names itself in it (ALPN).

    Raises:
        OSError: the file cannot be read (ssl.SSLError if it holds no certificate).
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


async def start_tls(
    stream: trio.abc.Stream, context: ssl.SSLContext, host: str
) -> trio.SSLStream[trio.abc.Stream] | TlsFailure:
    """The stream covered by TLS with the host's name checked, or why not.

    The other protocol has its own end (QUIT, a length), so a close without
    close_notify is taken as a close.
    """
    covered = trio.SSLStream(
        stream, context, server_hostname=host, https_compatible=True
    )
    try:
        await covered.do_handshake()
    except trio.BrokenResourceError as error:
        return TlsFailure(_reason(error.__cause__))
    return covered


def _reason(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return cause.reason.replace("_", " ").lower()
    return "the connection was closed during the handshake"


@dataclass(frozen=True, slots=True)
class Cover:
    """What a connection is covered with; all words are printable."""

    version: str
    cipher: str
    certificate: Mapping[str, str] = field(default_factory=dict)


def describe(stream: trio.SSLStream[trio.abc.Stream]) -> Cover:
    """The TLS of a stream whose handshake is done."""
    suite = stream.cipher()
    raw = stream.getpeercert(binary_form=True)
    # Only a certificate that was verified has its fields read by the library.
    verified = bool(stream.getpeercert())
    return Cover(
        str(stream.version() or ""),
        str(suite[0]) if suite else "",
        _certificate(raw, verified=verified) if raw else {},
    )


@functools.lru_cache(maxsize=64)
def _certificate(raw: bytes, *, verified: bool) -> Mapping[str, str]:
    """What a certificate says of itself, as far as it can be read."""
    try:
        one = x509.load_der_x509_certificate(raw)
        facts = {
            "subject": one.subject.rfc4514_string(),
            "names": ", ".join(_names(one)),
            "issuer": one.issuer.rfc4514_string(),
            "until": one.not_valid_after_utc.isoformat(),
            "sha256": one.fingerprint(SHA256()).hex(),
        }
    except ValueError as error:
        facts = {"unreadable": str(error)}
    words = {
        name: printable(text[:500].encode("utf-8", "replace"))
        for name, text in facts.items()
    }
    return {**words, "verified": "yes" if verified else "no"}


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return []
    return [str(one.value) for one in found.value]
