"""A private authoritative DNS server (NSD) that serves zones a test writes."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.fakes.programs import end, free_port, program, wait_until

_CONFIG = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  database: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  logfile: "{folder}/nsd.log"
  server-count: 1
remote-control:
  control-enable: no
"""
_ZONE = """\
zone:
  name: "{name}"
  zonefile: "{folder}/{name}.zone"
"""
_HEAD = """\
$ORIGIN {name}.
$TTL 60
@ IN SOA ns.{name}. hostmaster.{name}. 1 60 60 60 60
@ IN NS ns.{name}.
ns.{name}. IN A 127.0.0.1
"""


class NsdServer:
    """One running instance; a changed zone is served after a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.zones: dict[str, str] = {}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def serve(self, zones: Mapping[str, str]) -> None:
        """Answer for these zones too: name to records in zone-file form.

        The head of each zone (SOA, NS) is written here.

        Raises:
            RuntimeError: the server takes a zone for wrong.
        """
        self.zones.update(zones)
        self.close()
        self._write()
        nsd = program("nsd")
        assert nsd is not None
        self._process = subprocess.Popen([nsd, "-d", "-c", str(self._config)])
        wait_until(self._answers, 10, "NSD answers")

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            end(self._process)
            self._process = None

    @property
    def _config(self) -> Path:
        return self._folder / "nsd.conf"

    def _write(self) -> None:
        config = _CONFIG.format(port=self.port, folder=self._folder)
        for name, records in self.zones.items():
            config += _ZONE.format(name=name, folder=self._folder)
            file = self._folder / f"{name}.zone"
            file.write_text(_HEAD.format(name=name) + records + "\n", encoding="utf-8")
            _check(name, file)
        self._config.write_text(config, encoding="utf-8")

    def _answers(self) -> bool:
        name = next(iter(self.zones))
        question = dns.message.make_query(name, "SOA")
        try:
            answer = dns.query.udp(question, "127.0.0.1", timeout=0.2, port=self.port)
        except (OSError, dns.exception.DNSException):
            return False
        return bool(answer.answer)


def _check(name: str, file: Path) -> None:
    checker = program("nsd-checkzone")
    assert checker is not None
    done = subprocess.run(
        [checker, name, str(file)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"NSD refuses the zone: {done.stdout}{done.stderr}")
