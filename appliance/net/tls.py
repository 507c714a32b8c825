"""TLS as a client: which contexts, and failures as values.

Decides what is demanded of a certificate: a known issuer and the right name,
unless the operator said otherwise; never less than TLS 1.2. When to start is
left to the protocol that starts it.
"""

import functools
import ssl
from dataclasses import dataclass
from pathlib import Path

import trio


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
