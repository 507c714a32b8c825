import ssl
from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.net.tls import TlsFailure, client_context, start_tls
from tests.fakes.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for this run."""
    return Authority(tmp_path_factory.mktemp("authority"))


async def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str
) -> trio.SSLStream[trio.abc.Stream] | TlsFailure:
    """What the client makes of a handshake with this server."""
    ours, theirs = trio.testing.memory_stream_pair()
    covered = trio.SSLStream(theirs, server, server_side=True, https_compatible=True)

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


def test_verification_is_on_by_default() -> None:
    """A context checks issuer and name and speaks no TLS below 1.2."""
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_context_is_loaded_once() -> None:
    """The same arguments give the same context, as loading is slow."""
    assert client_context() is client_context()
    assert client_context(verify=False) is not client_context()


@pytest.mark.parametrize("host", ["mx.test", "127.0.0.1"])
async def test_known_issuer_and_right_name_are_accepted(
    authority: Authority, host: str
) -> None:
    """Names and addresses are both checked and found."""
    context = client_context(ca_file=authority.ca_file)
    stream = await handshake(authority.server_context(host), context, host)
    assert isinstance(stream, trio.SSLStream)


async def test_wrong_name_is_refused(authority: Authority) -> None:
    """ATTACKS 23: a certificate for another name is none."""
    context = client_context(ca_file=authority.ca_file)
    result = await handshake(authority.server_context("other.test"), context, "mx.test")
    assert isinstance(result, TlsFailure)
    assert result.reason.startswith("certificate: Hostname mismatch")


async def test_unknown_issuer_is_refused(authority: Authority) -> None:
    """ATTACKS 23: a certificate that anyone could make is none."""
    result = await handshake(
        authority.server_context("mx.test"), client_context(), "mx.test"
    )
    assert isinstance(result, TlsFailure)
    assert "issuer" in result.reason


async def test_verification_can_be_turned_off(authority: Authority) -> None:
    """Without verification any certificate covers the stream."""
    stream = await handshake(
        authority.server_context("other.test"),
        client_context(verify=False),
        "mx.test",
    )
    assert isinstance(stream, trio.SSLStream)


async def test_old_tls_is_refused(authority: Authority) -> None:
    """TLS 1.1 is no cover (RFC 8996)."""
    server = authority.server_context("mx.test")
    server.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        server.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    context = client_context(ca_file=authority.ca_file)
    assert isinstance(await handshake(server, context, "mx.test"), TlsFailure)


async def test_peer_that_speaks_no_tls_is_a_value() -> None:
    """Bytes that are no handshake, and a close, are failures and not errors."""
    for answer in (b"250 evil\r\n", b""):
        ours, theirs = trio.testing.memory_stream_pair()
        if answer:
            await theirs.send_all(answer)
        await theirs.send_stream.aclose()
        result = await start_tls(ours, client_context(), "mx.test")
        assert isinstance(result, TlsFailure)


def test_file_without_certificates_is_an_error(tmp_path: Path) -> None:
    """What cannot vouch for anyone is not taken silently."""
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(OSError, match=r"certificate|CERTIFICATE|PEM"):
        client_context(ca_file=empty)
    with pytest.raises(FileNotFoundError):
        client_context(ca_file=tmp_path / "missing.pem")
