"""Signatures judged by programs we did not write, with keys from a real DNS server.

OpenDKIM judges rsa-sha256 and ed25519-sha256, Mail::DKIM and dkimpy rsa-sha256
(each needs an optional library for the other, which Debian does not install).
"""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dkim
import dns.message
import dns.query
import dns.rdatatype

from tests.fakes.dns_server import NsdServer
from tests.fakes.programs import program

# libopendkim asks through libunbound, which is told where the zones live.
_UNBOUND = """\
server:
  do-not-query-localhost: no
  module-config: "iterator"
"""
_STUB = """\
stub-zone:
  name: "{name}"
  stub-addr: 127.0.0.1@{port}
"""
_OPENDKIM = """\
Mode v
Syslog no
Background no
Socket local:{folder}/unused
ResolverConfiguration {folder}/unbound.conf
"""
_MAIL_DKIM = r"""
use strict; use warnings;
use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS::Resolver;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(
    nameservers => ['127.0.0.1'], port => $ARGV[0], recurse => 0));
my $verifier = Mail::DKIM::Verifier->new;
while (<STDIN>) { $verifier->PRINT($_) }
$verifier->CLOSE;
printf "%s %s %s %s\n", $_->result, $_->algorithm, $_->domain, $_->selector
    for $verifier->signatures;
"""
_RESULT = re.compile(
    r"dkim=(\w+)(?: \([^)]*\))? header\.d=(\S+) header\.i=\S+"
    r" header\.a=(\S+) header\.s=(\S+)"
)


@dataclass(frozen=True, slots=True, order=True)
class Verdict:
    """What a verifier says of one signature."""

    result: str
    algorithm: str
    domain: str
    selector: str


class Verifiers:
    """The three, set up for the zones of one DNS server."""

    def __init__(self, folder: Path, nsd: NsdServer) -> None:
        self._folder = folder
        self._nsd = nsd

    def opendkim(self, message: bytes) -> set[Verdict]:
        """OpenDKIM's verdict on each signature."""
        stubs = (_STUB.format(name=n, port=self._nsd.port) for n in self._nsd.zones)
        self._write("unbound.conf", "".join([_UNBOUND, *stubs]))
        config = self._write("opendkim.conf", _OPENDKIM.format(folder=self._folder))
        file = self._folder / "message.eml"
        file.write_bytes(message)
        said = self._run("opendkim", "-x", config, "-vv", "-t", str(file))
        return {
            Verdict(result, algorithm, domain, selector)
            for result, domain, algorithm, selector in _RESULT.findall(said)
        }

    def mail_dkim(self, message: bytes) -> set[Verdict]:
        """Mail::DKIM's verdict on each signature."""
        script = self._write("verify.pl", _MAIL_DKIM)
        said = self._run("perl", script, str(self._nsd.port), stdin=message)
        return {Verdict(*line.split()[:4]) for line in said.splitlines()}

    def dkimpy(self, message: bytes) -> list[bool]:
        """What dkimpy says of each rsa-sha256 signature, in their order."""
        verifier = dkim.DKIM(message)
        names = [n.lower() for n, _ in verifier.headers]
        signatures = [v for n, v in verifier.headers if n.lower() == b"dkim-signature"]
        assert len(signatures) == names.count(b"dkim-signature")
        return [
            bool(verifier.verify(index, dnsfunc=self._txt()))
            for index, value in enumerate(signatures)
            if b"a=rsa-sha256" in value
        ]

    def _txt(self) -> Callable[..., bytes]:
        def look_up(name: bytes | str, timeout: float = 5) -> bytes:
            text = name.decode("ascii") if isinstance(name, bytes) else name
            question = dns.message.make_query(text, "TXT")
            answer, _ = dns.query.udp_with_fallback(
                question, "127.0.0.1", timeout=timeout, port=self._nsd.port
            )
            for rrset in answer.answer:
                if rrset.rdtype == dns.rdatatype.TXT:
                    return b"".join(rrset[0].strings)
            return b""

        return look_up

    def _write(self, name: str, text: str) -> str:
        file = self._folder / name
        file.write_text(text, encoding="ascii")
        return str(file)

    def _run(self, name: str, *words: str, stdin: bytes = b"") -> str:
        path = program(name)
        assert path is not None
        done = subprocess.run(
            [path, *words], input=stdin, capture_output=True, check=True, timeout=30
        )
        return done.stdout.decode("utf-8", errors="replace")
