"""The real servers of this suite are what the other tests take them for."""

import smtplib
import ssl
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.fakes.certificates import Authority
from tests.fakes.dns_server import NsdServer
from tests.fakes.postfix import PostfixServer
from tests.integration.conftest import StartPostfix

pytestmark = pytest.mark.integration

MAIL = b"From: a@shop.example\r\nBcc: c@rcpt.example\r\nSubject: hi\r\n\r\nhello\r\n"


def _send(port: int, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("a@shop.example", recipients, MAIL)


def test_postfix_keeps_each_mail_as_it_came(postfix: PostfixServer) -> None:
    """A file per recipient, the envelope in trace headers, no header removed."""
    _send(postfix.port, "b@rcpt.example", "c@rcpt.example")
    got = postfix.wait_for(2)
    assert {mail.recipient for mail in got} == {"b@rcpt.example", "c@rcpt.example"}
    assert {mail.return_path for mail in got} == {"a@shop.example"}
    assert all(mail.headers["Bcc"] == "c@rcpt.example" for mail in got)
    assert all(mail.wire.endswith(b"\r\n\r\nhello\r\n") for mail in got)


def test_postfix_can_be_away_for_a_while(postfix: PostfixServer) -> None:
    """A stopped server refuses connections and comes back on the same port."""
    postfix.stop()
    with pytest.raises(ConnectionRefusedError):
        _send(postfix.port, "b@rcpt.example")
    postfix.start()
    _send(postfix.port, "b@rcpt.example")
    assert len(postfix.wait_for(1)) == 1


def test_postfix_offers_starttls_with_our_certificate(
    start_postfix: StartPostfix, authority: Authority, tmp_path: Path
) -> None:
    """The certificate given is the one shown, and ours vouches for it."""
    authority.server_context("localhost", "127.0.0.1")
    (certificate,) = (tmp_path / "certificates").glob("server-*.pem")
    server = start_postfix(certificate)
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    with smtplib.SMTP("localhost", server.port) as client:
        assert client.starttls(context=context)[0] == 220


def test_nsd_serves_the_zone_that_was_written(nsd: NsdServer) -> None:
    """Records of a zone file come back over DNS; a second `serve` adds a zone."""
    nsd.serve({"shop.example": 'text IN TXT "one" "two"'})
    nsd.serve({"other.example": "www IN CNAME web.shop.example."})
    for name, kind, wanted in (
        ("text.shop.example", "TXT", '"one" "two"'),
        ("www.other.example", "CNAME", "web.shop.example."),
    ):
        question = dns.message.make_query(name, kind)
        answer = dns.query.udp(question, "127.0.0.1", timeout=5, port=nsd.port)
        assert [str(one) for one in answer.answer[0]] == [wanted]
