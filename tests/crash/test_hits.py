"""Opens under way when the process is killed."""

import http.client
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from appliance.core.token import Token, TokenKind, TokenMaker
from appliance.edge.assembly import TOKENS, derived
from appliance.flow.setup import DataFolder
from tests.fakes.postroom import Postroom
from tests.fakes.programs import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]

CLIENTS = 8
BEFORE_KILL = 400


class Hits:
    """Clients that load one pixel again and again while the server lives."""

    def __init__(self, port: int, path: str) -> None:
        self.asked = self.answered = 0
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._hit, args=(port, path), daemon=True)
            for _ in range(CLIENTS)
        ]
        for one in self._threads:
            one.start()

    def join(self) -> None:
        """All have met the end of the server."""
        for one in self._threads:
            one.join(20)

    def _hit(self, port: int, path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with suppress(OSError, http.client.HTTPException), closing(connection):
            while True:
                with self._lock:
                    self.asked += 1
                connection.request("GET", path, headers={"User-Agent": "Reader/1"})
                assert connection.getresponse().read()
                with self._lock:
                    self.answered += 1


def test_every_hit_that_was_answered_is_counted_once(tmp_path: Path) -> None:
    """ATTACKS 18: after kill -9, what was answered is there, and nothing twice."""
    server = Postroom(tmp_path)
    server.init()
    server.run("domain", "add", "shop.example")
    server.run("domain", "trust", "shop.example")
    server.start()
    who = ("--from", "orders@shop.example", "--to", "bob@rcpt.example")
    server.run("send", *who, "--subject", "x", "--text", "y")
    ((found,),) = _ask(server.data, "SELECT uuid FROM delivery")
    uuid = UUID(bytes=found)
    secret = DataFolder(server.data).read_secret()
    token = TokenMaker(derived(secret, TOKENS)).seal(Token(TokenKind.OPEN, uuid))
    port = int(server.addresses()["http"].rsplit(":", 1)[1])
    hits = Hits(port, f"/track/tpsp/open/{token}")
    wait_until(lambda: hits.answered >= BEFORE_KILL, 60, "hits are answered")
    server.kill()
    hits.join()
    server.start()
    events, counted = _counts(server.data, uuid)
    server.close()
    assert counted == events
    assert hits.answered <= events <= hits.asked
    assert hits.asked - hits.answered <= CLIENTS
    assert not server.troubles()


def _counts(data: Path, uuid: UUID) -> tuple[int, int]:
    """How many opens are in the log, and how many were counted beside it."""
    of_it = "SELECT count(*) FROM event WHERE type = 65 AND delivery = ?"
    ((events,),) = _ask(data, of_it, uuid.bytes)
    ((counted,),) = _ask(data, "SELECT sum(opens) FROM engagement")
    return events, counted


def _ask(data: Path, sql: str, *values: bytes) -> list[Any]:
    with closing(sqlite3.connect(data / "postroom.db")) as db:
        return db.execute(sql, values).fetchall()
